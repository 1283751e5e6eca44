#!/bin/sh
# Deploy an app from git: register if needed, sign in, order, follow the job, print the address.
# Needs curl, sed and python3 (to lay JSON out one field a line).
set -eu

usage() {
    cat <<'END'
Usage: deploy.sh NAME REPO_URL [BRANCH]

  NAME      becomes the first label of the address
  REPO_URL  https or http address of a git repository
  BRANCH    the repository's default branch if left out

Environment:
  GAVAN_URL       address of the panel (http://localhost:8080)
  GAVAN_EMAIL     your account; it is registered if there is none
  GAVAN_PASSWORD  its password
END
}

case "${1:-}" in -h | --help) usage && exit 0 ;; esac
if [ $# -lt 2 ] || [ -z "${GAVAN_EMAIL:-}" ] || [ -z "${GAVAN_PASSWORD:-}" ]; then
    usage >&2
    exit 2
fi
url=${GAVAN_URL:-http://localhost:8080}
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# quoted TEXT: as a JSON string.
quoted() {
    printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/"/'
}

# field NAME: the first field of that name in the answer, without its quotes.
field() {
    python3 -m json.tool "$answer" | sed -n "s/^ *\"$1\": \"\{0,1\}\(.*[^\",]\)\"\{0,1\},\{0,1\}\$/\1/p" | head -n 1
}

# call METHOD PATH [CURL'S ARGUMENTS…]: the body is in $answer, the status on stdout.
call() {
    method=$1 path=$2
    shift 2
    curl --silent --show-error --output "$answer" --write-out '%{http_code}' \
        --request "$method" "$url$path" "$@"
}

refused() {
    echo "$1: $(field detail)$(field error_description)" >&2
    exit 1
}

# The password comes from stdin, so that it is on no command line.
status=$(printf '{"email": %s, "password": %s}' "$(quoted "$GAVAN_EMAIL")" "$(quoted "$GAVAN_PASSWORD")" |
    call POST /api/v1/users --header 'Content-Type: application/json' --data-binary @-)
case $status in
201) echo "Registered $GAVAN_EMAIL" ;;
409) ;; # there already
*) refused "Registration was refused" ;;
esac

status=$(printf '%s' "$GAVAN_PASSWORD" | call POST /oauth/token --data grant_type=password \
    --data client_id=cli --data-urlencode "username=$GAVAN_EMAIL" --data-urlencode password@-)
[ "$status" = 200 ] || refused "Signing in was refused"
token=$(field access_token)

# authorized METHOD PATH [CURL'S ARGUMENTS…]: the token comes from stdin too.
authorized() {
    printf 'header = "Authorization: Bearer %s"\n' "$token" | call "$@" --config -
}

branch=null
[ -z "${3:-}" ] || branch=$(quoted "$3")
order=$(printf '{"template_id": "git-app", "plan_id": "dinghy", "name": %s, "source": {"repo_url": %s, "branch": %s}}' \
    "$(quoted "$1")" "$(quoted "$2")" "$branch")
# Sent again after a lost answer, the same key gives the first answer and no second service.
key="deploy-$1-$(date +%s)-$$"
status=$(authorized POST /api/v1/orders --header 'Content-Type: application/json' \
    --header "Idempotency-Key: $key" --data "$order")
[ "$status" = 202 ] || refused "The order was refused"
job=$(field job_id)
address=$(field url)

shown=
while :; do
    status=$(authorized GET "/api/v1/jobs/$job")
    [ "$status" = 200 ] || refused "The job cannot be followed"
    state=$(field state) step=$(field step)
    [ "$step" = "$shown" ] || echo "$step"
    shown=$step
    case $state in
    succeeded) break ;;
    failed | cancelled)
        echo "The deployment $state: $(field message)" >&2
        exit 1
        ;;
    esac
    sleep 0.5
done
echo "$address"
