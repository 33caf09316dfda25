"""Runs commands through pywinrm and prints what came back as one JSON object.

Arguments: the endpoint, the transport (ntlm, basic, certificate), user, password, a CA file or "", then for
certificate a client certificate and its key.
"""
import base64
import json
import sys

import winrm

endpoint, transport, user, password, ca, cert, key = (sys.argv[1:] + [None, None])[:7]
out = {}
protocol = winrm.Protocol(
    endpoint, transport=transport, username=user, password=password,
    server_cert_validation="validate" if ca else "ignore", ca_trust_path=ca or None,
    cert_pem=cert, cert_key_pem=key,
    operation_timeout_sec=2, read_timeout_sec=20)
try:
    shell = protocol.open_shell(codepage=65001)
    for name, line in [("echo", "echo hello"), ("exit", "exit 4294967295"), ("big", "big 300000"), ("slow", "slow")]:
        command = protocol.run_command(shell, line, console_mode_stdin=False)
        stdout, stderr, code = protocol.get_command_output(shell, command)
        out[name] = {"stdout": base64.b64encode(stdout).decode(), "stderr": stderr.decode(), "code": code}
        protocol.cleanup_command(shell, command)
    protocol.close_shell(shell)
    try:
        protocol.run_command(shell, "echo again")
        out["closed"] = "accepted"
    except winrm.exceptions.WinRMError as e:
        out["closed"] = str(e)
except Exception as e:
    out["error"] = "%s: %s" % (type(e).__name__, e)
print(json.dumps(out))
