#!/bin/sh
# Makes or completes /opt/multiverse/env from a lock, and leaves out what no job can use:
#   install-environment.sh LOCK            a lock, or
#   install-environment.sh FOLDER [cuda]   a model's requirements.txt or requirements-cuda.txt
#
# On multiverse-base or another shared stack most is there already, and only what is missing is
# installed. On a bare Python image the environment is made by venv, on a micromamba image by
# micromamba (from the conda part of environment.yml).
# The lock names every package with its hash, so that nothing is resolved here.
set -eu

lock=$1
if [ -d "$lock" ]; then
    folder=$lock
    lock=$folder/requirements.txt
    if [ "${2:-cpu}" = cuda ]; then
        lock=$folder/requirements-cuda.txt
    fi
fi
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
        conda=$(mktemp --suffix .yml)
        sed '/^ *- pip:/,$d' "$folder/environment.yml" >"$conda"
        micromamba create --yes --prefix "$env" --file "$conda"
        rm "$conda"
    else
        python3 -m venv "$env"
        # venv brings one that is in no lock. (Its pip stays: the layers above install with it.)
        "$env/bin/python" -m pip uninstall --yes --quiet --root-user-action=ignore setuptools
    fi
fi

version=$("$env/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$version" != "3.11" ]; then
    echo "The base image has Python $version; the locks are for 3.11. Choose another BASE_IMAGE." >&2
    exit 1
fi

install() {
    "$env/bin/python" -m pip install --require-hashes --no-deps --no-compile \
        --root-user-action=ignore --requirement "$lock" "$@"
}
if ! grep -q '^torch==.*+cpu' "$lock"; then
    install
elif ! install; then
    # PyTorch publishes its wheels without CUDA on its own index only. It is asked second, because
    # the host's settings may know a folder of wheels and no way to the internet.
    echo "Trying PyTorch's own index for the wheel without CUDA" >&2
    install --extra-index-url https://download.pytorch.org/whl/cpu
fi

packages=$("$env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# The packages' test suites are a tenth of the environment, and nothing of theirs imports them.
# (numpy's own testing module does import its tests, so they stay.)
find "$packages" -mindepth 2 -type d -name tests ! -path "$packages/numpy/*" -prune \
    -exec rm -rf {} +
rm -rf "$packages/joblib/test" "$packages/torch/test"
# For building C++ extensions, which an image without a compiler can't do; and torch's test programs.
rm -rf "$packages/torch/include" "$packages/torch/share/cmake"
for program in "$packages"/torch/bin/* "$packages"/torch/lib/lib*test*.so \
    "$packages"/torch/lib/libaoti_custom_ops.so "$packages"/torch/lib/libbackend_with_compiler.so; do
    case $program in
        */torch_shm_manager) ;; # lets processes share tensors
        *) rm -rf "$program" ;;
    esac
done
find "$packages" -name '*.a' -delete
# Compiled once here, because a container's root is read-only. Templates for other versions of
# Python, which some packages carry, can't be compiled; that is no failure.
"$env/bin/python" -m compileall -q -j 0 "$packages" >/dev/null || true
