"""Channel and server settings, each for a reason."""

from typing import Final

MESSAGE_MAX: Final = 4 * 1024 * 1024
"""Bytes of one message, both ways: a sender fails by itself instead of breaking the receiver."""

BATCH_MAX: Final = 1024 * 1024
"""Bytes gathered into one stream message: well below the limit, far above any normal burst."""

_KEEPALIVE_MS: Final = 10_000
_KEEPALIVE_TIMEOUT_MS: Final = 5_000

_COMMON: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_send_message_length", MESSAGE_MAX),
    ("grpc.max_receive_message_length", MESSAGE_MAX),
    # A peer whose host died never says so; a stopped process is found by its missing heartbeats.
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
)
SERVER_OPTIONS: Final = (
    *_COMMON,
    # Without this two servers share one port and each gets half of the calls.
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_MS // 2),
    ("grpc.http2.max_ping_strikes", 0),
)
CLIENT_OPTIONS: Final = (
    *_COMMON,
    # An order is sent once: the library must not repeat a call by itself.
    ("grpc.enable_retries", 0),
    ("grpc.http2.max_pings_without_data", 0),
    # The defaults start at one second and grow to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # Otherwise channels of one process share connections, and a new one inherits an old back-off.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)
