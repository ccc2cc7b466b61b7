#!/bin/sh
# One commit, from the working tree to the fleet: built, tried out, signed, checked, deployed.
#
#     deploy.sh SOURCE FLEET [OPTION OF immutable replace]...
#
# SIGNING_KEY      private key that CI signs with: a file, or a signer's URI   (required)
# SIGNING_PUBLIC   its public half, where the key is a URI
# TRUST            whose signatures count, TOML                                (required)
# IMMUTABLE        how the command is started, default: immutable
# IMAGE_OPTIONS    more options of `immutable image build`, such as --test http:/healthz
# TEST_OPTIONS     more options of `immutable image test`
# WORK             where manifest and signatures are left, default: a new directory
#
# Exit codes are those of the command that failed: 4 the image did not pass, 5 nobody who is
# trusted has signed it, 3 the fleet was rolled back. It can be run again at any time: what was built
# is not built again, a fleet that runs the image already is left alone.
set -eu

source=${1:?write: deploy.sh SOURCE FLEET}
fleet=${2:?write: deploy.sh SOURCE FLEET}
shift 2
: "${SIGNING_KEY:?is the key to sign with}" "${TRUST:?is the file that says whose signatures count}"
immutable=${IMMUTABLE:-immutable}
work=${WORK:-$(mktemp -d)}
manifest=$work/image.json
folder=$source
[ -d "$source" ] || folder=$(dirname "$source") # A template is a file.
commit=$(git -C "$folder" rev-parse HEAD)
short=$(git -C "$folder" rev-parse --short=12 HEAD)

# Options are words of their own: they are not quoted on purpose.
$immutable image build "$source" --committed --version "$short" --manifest "$manifest" ${IMAGE_OPTIONS-}
$immutable image test "$manifest" ${TEST_OPTIONS-}
rm -f "$manifest.intoto.jsonl" # Of an earlier manifest, if it is there.
$immutable image sign "$manifest" --key "$SIGNING_KEY" ${SIGNING_PUBLIC:+--public "$SIGNING_PUBLIC"} \
  --out "$manifest.intoto.jsonl"
$immutable image verify "$manifest" --trust "$TRUST" --signed "$manifest.intoto.jsonl"

artifact=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["artifacts"][0]["id"])' "$manifest")
$immutable replace "$fleet" "$artifact" --reason "commit $commit" "$@"
