"""Goal: any gRPC tool can ask how a process feels, and a token guards every method."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from opensqt.rpc.auth import ServerSecurity
from opensqt.rpc.endpoint import Endpoint, UnixLocator
from opensqt.rpc.link_server import link_service
from opensqt.rpc.server import RpcServer
from tests.rpc.fakes import RecordingLog

SERVICE = "opensqt.market_maker.v1.SymbolLinkService"
STATUS = health_pb2.HealthCheckResponse.ServingStatus


def server() -> RpcServer:
    async def attach(_: object) -> None:
        return

    return RpcServer([link_service(attach, log=RecordingLog())])


@pytest.mark.parametrize("name", ["", SERVICE])
async def test_health_follows_what_the_process_says(run_dir: Path, name: str) -> None:
    serving = server()
    serving.listen(Endpoint(run_dir, "x"))
    await serving.start()
    request = health_pb2.HealthCheckRequest(service=name)
    async with grpc.aio.insecure_channel(UnixLocator(run_dir, "x")()) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        before = await health.Check(request)
        await serving.set_serving(is_serving=False)
        after = await health.Check(request)
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await health.Check(health_pb2.HealthCheckRequest(service="nonsense"))
    await serving.stop(grace_ms=10)

    assert (before.status, after.status) == (STATUS.SERVING, STATUS.NOT_SERVING)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_without_the_token_no_method_answers() -> None:
    serving = RpcServer([], security=ServerSecurity(token="a" * 32))
    port = serving.listen_tcp("127.0.0.1:0")
    await serving.start()
    request = health_pb2.HealthCheckRequest()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for metadata in (
            (),
            (("authorization", "Bearer " + "b" * 32),),
            (("authorization", "a" * 32),),
            (("authorization", "Bearer " + "a" * 32), ("authorization", "Bearer " + "b" * 32)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await health.Check(request, metadata=metadata)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        stream = health.Watch(request)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stream.read()
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        right = (("authorization", "Bearer " + "a" * 32),)
        assert (await health.Check(request, metadata=right)).status == STATUS.SERVING
    await serving.stop(grace_ms=10)
