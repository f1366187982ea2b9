#!/bin/sh
# Makes or completes /opt/multiverse/env from a folder with requirements.txt (and environment.yml).
#
# On multiverse-base nearly everything is there already, and only what a model adds is installed.
# On a bare Python image the environment is made by venv, on a micromamba image by micromamba.
# The lock names every package with its hash, so that nothing is resolved here.
set -eu

lock=$1
env=/opt/multiverse/env
secrets=/run/secrets

# The host's pip settings and certificates; they are never part of the image.
if [ -f "$secrets/pip_conf" ]; then
    export PIP_CONFIG_FILE="$secrets/pip_conf"
fi
if [ -f "$secrets/ca_bundle" ]; then
    export PIP_CERT="$secrets/ca_bundle" SSL_CERT_FILE="$secrets/ca_bundle"
    export REQUESTS_CA_BUNDLE="$secrets/ca_bundle" MAMBA_SSL_VERIFY="$secrets/ca_bundle"
fi
if [ -f "$secrets/client_cert" ]; then
    export PIP_CLIENT_CERT="$secrets/client_cert"
fi

if [ ! -x "$env/bin/python" ]; then
    if command -v micromamba >/dev/null; then
        micromamba create --yes --prefix "$env" --file "$lock/environment.yml"
    else
        python3 -m venv "$env"
    fi
fi

version=$("$env/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$version" != "3.11" ]; then
    echo "The base image has Python $version; the locks are for 3.11. Choose another BASE_IMAGE." >&2
    exit 1
fi

"$env/bin/python" -m pip install --require-hashes --no-deps --no-compile \
    --root-user-action=ignore --requirement "$lock/requirements.txt"

# The test suites of these five are a sixth of the environment, and nothing of theirs imports
# them. (numpy's own testing module does import its tests, so they stay.)
packages=$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for package in matplotlib numba pandas scipy sklearn; do
    if [ -d "$packages/$package" ]; then
        find "$packages/$package" -type d -name tests -prune -exec rm -rf {} +
    fi
done
# Compiled once here, because a container's root is read-only. Templates for other versions of
# Python, which some packages carry, can't be compiled; that is no failure.
"$env/bin/python" -m compileall -q -j 0 "$packages" >/dev/null || true
