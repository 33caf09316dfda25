"""Runs hostname through pywinrm on the addresses of standard input, fifty at a time, and prints on how many it succeeded."""
import concurrent.futures
import json
import os
import sys

import winrm


def run(address):
    try:
        session = winrm.Session(
            "http://" + address + "/wsman", auth=("LAB\\im_rotator", os.environ["IM_LAB_PASSWORD"]),
            transport="ntlm", message_encryption="always")
        return session.run_cmd("hostname").status_code == 0
    except Exception:
        return False


with concurrent.futures.ThreadPoolExecutor(50) as pool:
    print(json.dumps({"ok": sum(pool.map(run, sys.stdin.read().split()))}))
