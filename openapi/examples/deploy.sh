#!/bin/sh
# Deploy an app from git: sign in (or register), order or deploy again, follow the job, print the address.
# Needs curl and python3 (its json module alone).
set -eu

usage() {
    cat <<'END'
Usage: deploy.sh NAME REPO_URL [REF]

  NAME      becomes the first label of the address; one that is yours already is deployed again
  REPO_URL  https:// address of a git repository
  REF       a branch, a tag or a commit; the default branch if left out

Environment:
  GAVAN_URL       address of the panel (http://localhost:8080)
  GAVAN_EMAIL     your account; it is registered if there is none
  GAVAN_PASSWORD  its password
  GAVAN_PROJECT   id of the project to order in (your personal one)
END
}

case "${1:-}" in -h | --help) usage && exit 0 ;; esac
if [ $# -lt 2 ] || [ -z "${GAVAN_EMAIL:-}" ] || [ -z "${GAVAN_PASSWORD:-}" ]; then
    usage >&2
    exit 2
fi
url=${GAVAN_URL:-http://localhost:8080}
url=${url%/}
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# quoted TEXT: as a JSON string; nothing is null.
quoted() {
    printf '%s' "$1" | python3 -c 'import json, sys; print(json.dumps(sys.stdin.read() or None))'
}

# field PATH: the value there in the answer (`error.message`, `items.0.id`), empty if there is none.
field() {
    python3 -c '
import json, sys
try:
    found = json.load(open(sys.argv[1]))
    for key in sys.argv[2].split("."):
        found = found[int(key) if key.isdigit() else key]
except (ValueError, KeyError, IndexError, TypeError):
    found = None
print("" if found is None else found)' "$answer" "$1"
}

# call METHOD PATH [CURL'S ARGUMENTS…]: the body is in $answer, the status on stdout.
call() {
    method=$1 path=$2
    shift 2
    : >"$answer"
    curl --silent --output "$answer" --write-out '%{http_code}' --request "$method" "$url$path" "$@" || {
        echo "$url does not answer" >&2
        return 1
    }
}

# refused WHAT: the API's own words, with those about a field if there are any.
refused() {
    echo "$1: $(field detail)$(field error_description) $(field errors.0.message)" | sed 's/ *$//' >&2
    exit 1
}

# The password comes from stdin, so that it is on no command line.
sign_in() {
    printf '%s' "$GAVAN_PASSWORD" | call POST /oauth/token --data grant_type=password \
        --data client_id=cli --data-urlencode "username=$GAVAN_EMAIL" --data-urlencode password@-
}

status=$(sign_in)
if [ "$status" = 400 ] && [ "$(field error)" = invalid_grant ]; then
    status=$(printf '{"email": %s, "password": %s}' "$(quoted "$GAVAN_EMAIL")" "$(quoted "$GAVAN_PASSWORD")" |
        call POST /api/v1/users --header 'Content-Type: application/json' --data-binary @-)
    [ "$status" = 202 ] ||
        refused "$GAVAN_EMAIL is not known here with this password, and registering was refused"
    status=$(sign_in)
fi
[ "$status" = 200 ] || refused "Signing in was refused"
token=$(field access_token)

# authorized METHOD PATH [CURL'S ARGUMENTS…]: the token comes from stdin too.
authorized() {
    printf 'header = "Authorization: Bearer %s"\n' "$token" | call "$@" --config -
}

# send METHOD PATH BODY: JSON. Sent again after a lost answer, the same key gives the first answer.
send() {
    authorized "$1" "$2" --header 'Content-Type: application/json' --data "$3" \
        --header "Idempotency-Key: deploy-$(date +%s)-$$"
}

source=$(printf '{"repo_url": %s, "ref": %s}' "$(quoted "$2")" "$(quoted "${3:-}")")
status=$(authorized GET /api/v1/services --get --data-urlencode "name=$1")
[ "$status" = 200 ] || refused "The services cannot be listed"
service=$(field items.0.id)
if [ -n "$service" ]; then
    status=$(send PATCH "/api/v1/services/$service" "{\"source\": $source}")
    [ "$status" = 200 ] || refused "The service was not changed"
    status=$(send POST "/api/v1/services/$service/deployments" '{}')
    [ "$status" = 202 ] || refused "The deployment was refused"
else
    status=$(send POST /api/v1/orders "$(printf \
        '{"template_id": "git-app", "plan_id": "dinghy", "name": %s, "source": %s, "project_id": %s}' \
        "$(quoted "$1")" "$source" "$(quoted "${GAVAN_PROJECT:-}")")")
    [ "$status" = 202 ] || refused "The order was refused"
    service=$(field service_id)
fi
job=$(field job_id)

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
        echo "The deployment $state: $(field error.message)" >&2
        exit 1
        ;;
    esac
    sleep 0.5
done
status=$(authorized GET "/api/v1/services/$service")
[ "$status" = 200 ] || refused "The service cannot be read"
field url
