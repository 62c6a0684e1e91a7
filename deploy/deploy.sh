#!/bin/sh
# Deploys athenatrail with the AWS CLI; `make deploy` runs it. It takes from the
# environment:
#
#   LAMBDA_ZIP      the package, and LAMBDA_ARCH, what it was built for
#   CODE_BUCKET     a bucket of yours for the package and the templates
#   S3_BUCKET       the bucket of the files and the lake
#   TRAIL_BUCKET    the trail's bucket; empty for LookupEvents
#   STACK           the stack's name; athenatrail
#   PARAMETERS      further parameters of deploy/cloudformation.yaml, as
#                   Name=value Name=value
#
# and AWS's own variables, such as AWS_PROFILE and AWS_REGION. With DRY_RUN=1 it
# makes a change set and does not execute it.
set -eu

cd "$(dirname "$0")/.."

need() {
	eval "value=\${$1:-}"
	if [ -z "$value" ]; then
		echo "deploy: $1 is not set: make deploy $1=$2" >&2
		exit 2
	fi
}
need LAMBDA_ZIP bin/athenatrail-lambda-arm64.zip
need CODE_BUCKET a-bucket-of-yours
need S3_BUCKET the-bucket-of-the-files
command -v aws >/dev/null || {
	echo "deploy: there is no AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html" >&2
	exit 2
}
case "${LAMBDA_ARCH:-arm64}" in
arm64) architecture=arm64 ;;
amd64) architecture=x86_64 ;;
*)
	echo "deploy: LAMBDA_ARCH=$LAMBDA_ARCH: want arm64 or amd64" >&2
	exit 2
	;;
esac

hash_of() {
	if command -v sha256sum >/dev/null; then
		sha256sum "$1" | cut -c 1-16
	else
		shasum -a 256 "$1" | cut -c 1-16
	fi
}

# A package's key has its hash, so that CloudFormation sees a new one.
key="athenatrail/$(hash_of "$LAMBDA_ZIP")/athenatrail-lambda-$architecture.zip"
reader="athenatrail/$(hash_of deploy/cloudformation-reader.yaml)/cloudformation-reader.yaml"
region="$(aws s3api get-bucket-location --bucket "$CODE_BUCKET" --query LocationConstraint --output text)"
case "$region" in
None) region=us-east-1 ;;
EU) region=eu-west-1 ;;
esac
suffix=amazonaws.com
case "$region" in
cn-*) suffix=amazonaws.com.cn ;;
esac

aws s3 cp --only-show-errors "$LAMBDA_ZIP" "s3://$CODE_BUCKET/$key"
aws s3 cp --only-show-errors deploy/cloudformation-reader.yaml "s3://$CODE_BUCKET/$reader"

changes=
if [ "${DRY_RUN:-}" = 1 ]; then
	changes=--no-execute-changeset
fi
# PARAMETERS and changes are meant to be split into words.
# shellcheck disable=SC2086
aws cloudformation deploy \
	--stack-name "${STACK:-athenatrail}" \
	--template-file deploy/cloudformation.yaml \
	--s3-bucket "$CODE_BUCKET" --s3-prefix athenatrail/templates \
	--capabilities CAPABILITY_IAM \
	--no-fail-on-empty-changeset $changes \
	--parameter-overrides \
	"CodeBucket=$CODE_BUCKET" "CodeKey=$key" "Architecture=$architecture" \
	"S3Bucket=$S3_BUCKET" "TrailBucket=${TRAIL_BUCKET:-}" \
	"ReaderTemplateUrl=https://$CODE_BUCKET.s3.$region.$suffix/$reader" \
	${PARAMETERS:-}
aws cloudformation describe-stacks --stack-name "${STACK:-athenatrail}" --query 'Stacks[0].Outputs[].[OutputKey,OutputValue]' --output table
