from tests.ci.scripts import load

proto = load("proto")


def test_equal_modules_have_no_differences() -> None:
    assert proto.differences({"a_pb2.py": "1"}, {"a_pb2.py": "1"}) == []


def test_missing_superfluous_and_changed_modules_are_named() -> None:
    found = proto.differences({"new.py": "1", "old.py": "2"}, {"old.py": "1", "gone.py": "1"})

    assert found == ["missing: new.py", "superfluous: gone.py", "out of date: old.py"]
