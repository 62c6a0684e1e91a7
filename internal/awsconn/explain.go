package awsconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// An Error is the error of an AWS call as a sentence. It unwraps to the SDK's.
type Error struct {
	Line string
	hint string
	err  error
}

func (e *Error) Error() string { return e.Line }
func (e *Error) Unwrap() error { return e.err }

// Hint returns what to do about the error, or "".
func (e *Error) Hint() string { return e.hint }

// Permission returns the IAM action that AWS refused, such as
// athena:GetWorkGroup, or "" where it refused none, or one that athenatrail
// does not call.
func (e *Error) Permission() string { return refused(e.err).name }

// Policy returns the file below deploy/policy that allows the action that AWS
// refused, or "".
func (e *Error) Policy() string { return refused(e.err).policy }

// Explained returns err as an *Error with the line and hint of [Explain]. An
// error that is nil, explained already, or none of AWS's is returned as it is.
func Explained(err error) error {
	var done *Error
	if err == nil || errors.As(err, &done) {
		return err
	}
	line, hint, ok := explain(err)
	if !ok {
		return err
	}
	return &Error{line, hint, err}
}

// Throttled reports whether AWS refused because of too many calls.
func Throttled(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	_, known := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
	return known
}

// Denied reports whether AWS refused because of missing permission.
func Denied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && kinds[lastName(api.ErrorCode())] == denied
}

// BadCredentials reports whether the credentials are missing, expired or
// wrong, so that every further call with them would fail too.
func BadCredentials(err error) bool {
	if noCredentials(err) {
		return true
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	kind := kinds[lastName(api.ErrorCode())]
	return kind == expired || kind == unknownKey
}

type kind int

const (
	other kind = iota
	denied
	expired
	unknownKey
	missingBucket
	missingKey
	missingQueue
	wrongRegion
	skewedClock
)

// kinds are the error codes of AWS, in the spellings of its services.
var kinds = map[string]kind{
	"AccessDenied":                 denied,
	"AccessDeniedException":        denied,
	"AllAccessDisabled":            denied,
	"Forbidden":                    denied,
	"UnauthorizedOperation":        denied,
	"UnauthorizedAccess":           denied,
	"ExpiredToken":                 expired,
	"ExpiredTokenException":        expired,
	"RequestExpired":               expired,
	"InvalidClientTokenId":         unknownKey,
	"InvalidAccessKeyId":           unknownKey,
	"InvalidToken":                 unknownKey,
	"UnrecognizedClientException":  unknownKey,
	"SignatureDoesNotMatch":        unknownKey,
	"InvalidSignatureException":    unknownKey,
	"MissingAuthenticationToken":   unknownKey,
	"NoSuchBucket":                 missingBucket,
	"NoSuchKey":                    missingKey,
	"NotFound":                     missingKey,
	"ParameterNotFound":            missingKey,
	"QueueDoesNotExist":            missingQueue,
	"PermanentRedirect":            wrongRegion,
	"MovedPermanently":             wrongRegion,
	"AuthorizationHeaderMalformed": wrongRegion,
	"IllegalLocationConstraint":    wrongRegion,
	"RequestTimeTooSkewed":         skewedClock,

	"AWS.SimpleQueueService.NonExistentQueue": missingQueue,
}

// lastName cuts what JSON services put around a code: a namespace in front of
// a #, a URL behind a colon.
func lastName(code string) string {
	if _, after, ok := strings.Cut(code, "#"); ok {
		code = after
	}
	code, _, _ = strings.Cut(code, ":")
	return code
}

// Explain returns the error of an AWS call in one line, and as a hint what the
// reader can do; the hint may be empty. What wraps the call's error, such as
// the name of the file that was read, stays around the line. Of another error
// the line is its own text.
func Explain(err error) (line, hint string) {
	var done *Error
	if errors.As(err, &done) {
		return err.Error(), done.hint
	}
	if line, hint, ok := explain(err); ok {
		return line, hint
	}
	return err.Error(), ""
}

func explain(err error) (line, hint string, ok bool) {
	if errors.Is(err, ErrNoRole) {
		return err.Error(), "name the account's role under accounts: in the configuration, or pass " +
			"--assume-role 'arn:aws:iam::{account}:role/NAME'", true
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "", "", false
	}
	line, hint, ok = explainCall(err)
	var call *smithy.OperationError
	if ok && errors.As(err, &call) {
		if text := err.Error(); strings.Contains(text, call.Error()) {
			line = strings.Replace(text, call.Error(), line, 1)
		}
	}
	return line, hint, ok
}

// explainCall is about the call alone, without what wraps its error.
func explainCall(err error) (line, hint string, ok bool) {
	if line, hint, ok := explainCredentials(err); ok {
		return line, hint, true
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		line, hint = explainAPI(err, api)
		return line, hint, true
	}
	if unreadable(err) {
		return fmt.Sprintf("%s: the answer cannot be read: %s", operationName(err), oneLine(cause(err).Error())), "", true
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fmt.Sprintf("%s: cannot find the host %s", operationName(err), dns.Name),
			"check the region, the network, and AWS_ENDPOINT_URL if it is set", true
	}
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "dial" {
		return fmt.Sprintf("%s: cannot connect to %s: %v", operationName(err), network.Addr, network.Err),
			"check the network, and AWS_ENDPOINT_URL if it is set", true
	}
	return "", "", false
}

const logIn = "set AWS_PROFILE, pass --profile, or run aws sso login"

func explainCredentials(err error) (line, hint string, ok bool) {
	var noProfile config.SharedConfigProfileNotExistError
	if errors.As(err, &noProfile) {
		return fmt.Sprintf("AWS profile %q does not exist", noProfile.Profile),
			"aws configure list-profiles shows those that do", true
	}
	if noSSOSession(err) {
		return "the AWS SSO session has expired or was never begun", "run aws sso login with your profile", true
	}
	if noCredentials(err) {
		return "no AWS credentials: none in the environment, the shared configuration, or from the machine", logIn, true
	}
	return "", "", false
}

// noCredentials knows the end of the default chain by its text: the SDK has no
// type for it.
func noCredentials(err error) bool {
	if err == nil {
		return false
	}
	if noSSOSession(err) {
		return true
	}
	s := original(err).Error()
	return strings.Contains(s, "no EC2 IMDS role found") || strings.Contains(s, "static credentials are empty") ||
		strings.Contains(s, "failed to retrieve credentials") || strings.Contains(s, "no credential provider")
}

func noSSOSession(err error) bool {
	var token *ssocreds.InvalidTokenError
	return errors.As(err, &token) || strings.Contains(original(err).Error(), "cached SSO token")
}

// original returns the SDK's error of one that is explained, whose own line no
// longer holds the SDK's text.
func original(err error) error {
	var done *Error
	if errors.As(err, &done) {
		return done.err
	}
	return err
}

func explainAPI(err error, api smithy.APIError) (line, hint string) {
	name := operationName(err)
	code := lastName(api.ErrorCode())
	message := oneLine(api.ErrorMessage())
	switch kinds[code] {
	case denied:
		if action, ok := actions[name]; ok {
			line := "not allowed to call " + action.name
			if message != "" && !strings.EqualFold(message, "access denied") && !strings.EqualFold(message, "forbidden") {
				line += ": " + message
			}
			return line, "attach deploy/policy/" + action.policy + " to the user or role that athenatrail runs as"
		}
		return fmt.Sprintf("not allowed to call %s: %s", name, message), ""
	case expired:
		return "the AWS credentials have expired", "run aws sso login, or get new temporary credentials"
	case unknownKey:
		return fmt.Sprintf("AWS does not accept the credentials (%s)", code), logIn
	case missingBucket:
		return "the bucket does not exist", "check its name"
	case missingKey:
		if name == "S3.HeadBucket" {
			return "the bucket does not exist", "check its name"
		}
		return "it does not exist (" + code + ")", ""
	case missingQueue:
		return "the queue does not exist", "check its URL: the region, the account and the name"
	case wrongRegion:
		if region := bucketRegion(err, message); region != "" {
			return "the bucket is in region " + region, "set AWS_REGION=" + region
		}
		return "the bucket is in another region", "set AWS_REGION to the bucket's region"
	case skewedClock:
		return "this machine's clock is wrong by more than AWS accepts", "set the clock"
	}
	if message == "" {
		message = "no message"
	}
	return fmt.Sprintf("%s: %s: %s", name, code, message), ""
}

// cause is the innermost error of a chain.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// bucketRegion returns the region that S3 names when a bucket is elsewhere.
func bucketRegion(err error, message string) string {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		if r := response.Response.Header.Get("x-amz-bucket-region"); regionForm.MatchString(r) {
			return r
		}
	}
	if m := expecting.FindStringSubmatch(message); m != nil && regionForm.MatchString(m[1]) {
		return m[1]
	}
	return ""
}

var expecting = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)

// operationName returns Service.Operation of the call that err came from. Of a
// call that failed because a role could not be taken, it is the latter's.
func operationName(err error) string {
	name := "AWS"
	for op := (*smithy.OperationError)(nil); errors.As(err, &op); err = op.Err {
		name = op.ServiceID + "." + op.OperationName
	}
	return name
}

// refused returns the action that AWS refused for want of permission.
func refused(err error) permitted {
	if !Denied(err) {
		return permitted{}
	}
	return actions[operationName(err)]
}

// A permitted is an IAM action and the file under deploy/policy that allows it.
type permitted struct{ name, policy string }

// actions are those of the operations that athenatrail calls.
var actions = map[string]permitted{
	"S3.ListObjectsV2":               {"s3:ListBucket", "collect-from-s3.json"},
	"S3.GetObject":                   {"s3:GetObject", "collect-from-s3.json"},
	"S3.HeadObject":                  {"s3:GetObject", "lake-read.json"},
	"S3.HeadBucket":                  {"s3:ListBucket", "lake-read.json"},
	"S3.PutObject":                   {"s3:PutObject", "lake-write.json"},
	"S3.DeleteObject":                {"s3:DeleteObject", "lake-write.json"},
	"S3.DeleteObjects":               {"s3:DeleteObject", "lake-write.json"},
	"Athena.BatchGetQueryExecution":  {"athena:BatchGetQueryExecution", "details.json"},
	"Athena.GetSession":              {"athena:GetSession", "details.json"},
	"Athena.GetCalculationExecution": {"athena:GetCalculationExecution", "details.json"},
	"Athena.ListTagsForResource":     {"athena:ListTagsForResource", "directory.json"},
	"Athena.GetWorkGroup":            {"athena:GetWorkGroup", "directory.json"},
	"Athena.ListWorkGroups":          {"athena:ListWorkGroups", "directory.json"},
	"CloudTrail.LookupEvents":        {"cloudtrail:LookupEvents", "lookup-events.json"},
	"identitystore.DescribeUser":     {"identitystore:DescribeUser", "directory.json"},
	"Organizations.ListAccounts":     {"organizations:ListAccounts", "directory.json"},
	"Organizations.ListRoots":        {"organizations:ListRoots", "directory.json"},

	"Organizations.ListAccountsForParent":            {"organizations:ListAccountsForParent", "directory.json"},
	"Organizations.ListOrganizationalUnitsForParent": {"organizations:ListOrganizationalUnitsForParent", "directory.json"},
	"Glue.GetDatabases":                              {"glue:GetDatabases", "catalog.json"},
	"Glue.GetTables":                                 {"glue:GetTables", "catalog.json"},
	"LakeFormation.ListPermissions":                  {"lakeformation:ListPermissions", "catalog.json"},
	"SNS.Publish":                                    {"sns:Publish", "notify.json"},
	"STS.AssumeRole":                                 {"sts:AssumeRole", "assume-reader.json"},
	"SSM.GetParameter":                               {"ssm:GetParameter", "config-read.json"},

	"Athena.StopQueryExecution":    {"athena:StopQueryExecution", "limits.json"},
	"Athena.TerminateSession":      {"athena:TerminateSession", "limits.json"},
	"Athena.UpdateWorkGroup":       {"athena:UpdateWorkGroup", "limits.json"},
	"IAM.ListRolePolicies":         {"iam:ListRolePolicies", "limits.json"},
	"IAM.GetRolePolicy":            {"iam:GetRolePolicy", "limits.json"},
	"IAM.PutRolePolicy":            {"iam:PutRolePolicy", "limits.json"},
	"IAM.DeleteRolePolicy":         {"iam:DeleteRolePolicy", "limits.json"},
	"IAM.ListUserPolicies":         {"iam:ListUserPolicies", "limits.json"},
	"IAM.GetUserPolicy":            {"iam:GetUserPolicy", "limits.json"},
	"IAM.PutUserPolicy":            {"iam:PutUserPolicy", "limits.json"},
	"IAM.DeleteUserPolicy":         {"iam:DeleteUserPolicy", "limits.json"},
	"IAM.GetPolicy":                {"iam:GetPolicy", "limits.json"},
	"IAM.GetPolicyVersion":         {"iam:GetPolicyVersion", "limits.json"},
	"IAM.ListPolicyVersions":       {"iam:ListPolicyVersions", "limits.json"},
	"IAM.CreatePolicyVersion":      {"iam:CreatePolicyVersion", "limits.json"},
	"IAM.DeletePolicyVersion":      {"iam:DeletePolicyVersion", "limits.json"},
	"IAM.ListAttachedRolePolicies": {"iam:ListAttachedRolePolicies", "limits.json"},

	"SQS.ReceiveMessage":               {"sqs:ReceiveMessage", "queue.json"},
	"SQS.DeleteMessageBatch":           {"sqs:DeleteMessage", "queue.json"},
	"SQS.ChangeMessageVisibilityBatch": {"sqs:ChangeMessageVisibility", "queue.json"},
	"SQS.GetQueueAttributes":           {"sqs:GetQueueAttributes", "queue.json"},
}

// oneLine bounds what a server said, and keeps it to one line without control
// characters.
func oneLine(s string) string {
	const most = 500
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
