from tests.cli.conftest import blind_checkpoint, checkpoint, cli  # noqa: F401
