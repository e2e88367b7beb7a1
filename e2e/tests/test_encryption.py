"""TLS between the processes of an application, enabled by one setting."""

import pytest
from applications import TWICE, application, once, programs, twice

pytestmark = pytest.mark.usefixtures("operator")

# Prints the response to an unauthenticated client in the same network: an error, or the number of bytes received.
STRANGER = """
import socket, ssl, sys
address, how = sys.argv[1:]
stream = socket.create_connection((address, 7078), 30)
stream.settimeout(30)
try:
    if how == "tls":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        stream = context.wrap_socket(stream)
    stream.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    print("answered", len(stream.recv(100)))
except OSError as error:
    print("refused", error)
"""


def answer(kubectl, executor, driver, how):
    """The driver's response to a client without a certificate in an executor's pod."""
    return kubectl("exec", executor, "--", "python3", "-c", STRANGER, driver["status"]["podIP"], how)


def test_an_encrypted_application_runs_and_refuses_clients_without_a_certificate(kubectl):
    conf = {"spark.ssl.rpc.enabled": "true"}
    kubectl.create(programs(twice_py=TWICE), application("secret", "twice.py", executors=2, sparkConf=conf))
    executors = once(kubectl, "secret", 2)
    driver = kubectl.get("pod", "secret-driver")
    # A TLS-only server responds to plain text with an alert of at most seven bytes, never with an HTTP/2 frame.
    plain = answer(kubectl, min(executors), driver, "plain")
    assert plain.startswith("refused") or int(plain.split()[1]) < 9, plain
    encrypted = answer(kubectl, min(executors), driver, "tls")
    assert encrypted.startswith("refused") or encrypted.split() == ["answered", "0"], encrypted
    assert twice(kubectl, "secret")["status"]["executionAttempts"] == 1


def test_without_the_switch_the_same_stranger_is_answered(kubectl):
    kubectl.create(programs(twice_py=TWICE), application("open", "twice.py"))
    executors = once(kubectl, "open", 1)
    # This is only the HTTP/2 handshake: RPCs require the token.
    assert int(answer(kubectl, min(executors), kubectl.get("pod", "open-driver"), "plain").split()[1]) >= 9
    twice(kubectl, "open")
