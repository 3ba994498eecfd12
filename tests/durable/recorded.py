"""A store of workflows that remembers what was asked of it and what its handlers did."""

from dataclasses import dataclass, field

from opensqt.ports.workflow import WorkflowHandler, WorkflowPort


@dataclass
class Recorded:
    """Implements ``WorkflowPort`` around another one."""

    inner: WorkflowPort
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Id and inputs of every run that was asked for."""
    handled: list[str] = field(default_factory=list)
    """What the handler answered, each time it ran."""
    handlers: dict[str, WorkflowHandler] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return [workflow_id for workflow_id, _ in self.asked]

    def register(self, name: str, handler: WorkflowHandler) -> None:
        async def watched(inputs: str) -> str:
            answer = await handler(inputs)
            self.handled.append(answer)
            return answer

        self.handlers[name] = watched
        self.inner.register(name, watched)

    async def start(self) -> None:
        await self.inner.start()

    async def run(self, name: str, workflow_id: str, inputs: str) -> str:
        self.asked.append((workflow_id, inputs))
        return await self.inner.run(name, workflow_id, inputs)

    async def stop(self) -> None:
        await self.inner.stop()
