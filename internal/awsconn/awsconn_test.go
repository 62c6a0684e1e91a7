package awsconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// alone keeps the machine's own AWS settings out of a test.
func alone(t *testing.T) {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// A fakeSTS says who a caller is and hands out roles.
type fakeSTS struct {
	mu     sync.Mutex
	calls  []url.Values
	agents []string
}

func startSTS(t *testing.T) *fakeSTS {
	alone(t)
	f := &fakeSTS{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		f.mu.Lock()
		f.calls = append(f.calls, form)
		f.agents = append(f.agents, r.Header.Get("User-Agent"))
		f.mu.Unlock()
		switch form.Get("Action") {
		case "GetCallerIdentity":
			fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/alice</Arn><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		case "AssumeRole":
			if strings.Contains(form.Get("RoleArn"), "999999999999") {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::111122223333:user/alice is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`)
				return
			}
			fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA-%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
				strings.Split(form.Get("RoleArn"), ":")[4], time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	return f
}

func (f *fakeSTS) count(action string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.Get("Action") == action {
			n++
		}
	}
	return n
}

func newConn(t *testing.T, o Options) *Conn {
	t.Helper()
	o.UserAgent = "athenatrail/1.2.3"
	c, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func keyID(t *testing.T, c *Conn, account, region string) string {
	t.Helper()
	cfg, err := c.Config(t.Context(), account, region)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if region != "" && cfg.Region != region {
		t.Errorf("region %q, want %q", cfg.Region, region)
	}
	return creds.AccessKeyID
}

func TestCredentialsOfAnAccount(t *testing.T) {
	f := startSTS(t)
	c := newConn(t, Options{
		AssumeRole: "arn:aws:iam::{account}:role/athenatrail-reader",
		Accounts: []Account{
			{ID: "444455556666", Role: "arn:aws:iam::444455556666:role/special", ExternalID: "shared-secret"},
			{ID: "111111111111"},
		},
	})
	if got := keyID(t, c, "", ""); got != "AKIDEXAMPLE" {
		t.Errorf("without an account: %s", got)
	}
	if got := keyID(t, c, "444455556666", "eu-west-1"); got != "ASIA-444455556666" {
		t.Errorf("listed account: %s", got)
	}
	if n := f.count("GetCallerIdentity"); n != 0 {
		t.Errorf("asked %d times who we are, though nothing depends on it", n)
	}
	if got := keyID(t, c, "111122223333", "eu-west-1"); got != "AKIDEXAMPLE" {
		t.Errorf("own account: %s", got)
	}
	for _, region := range []string{"eu-west-1", "us-east-1", "eu-west-1"} {
		if got := keyID(t, c, "111111111111", region); got != "ASIA-111111111111" {
			t.Errorf("account by template: %s", got)
		}
	}
	if f.count("GetCallerIdentity") != 1 || f.count("AssumeRole") != 2 {
		t.Errorf("%d GetCallerIdentity, %d AssumeRole, want 1 and 2", f.count("GetCallerIdentity"), f.count("AssumeRole"))
	}
	for _, call := range f.calls {
		if call.Get("Action") != "AssumeRole" {
			continue
		}
		want := map[string]string{
			"arn:aws:iam::444455556666:role/special":            "shared-secret",
			"arn:aws:iam::111111111111:role/athenatrail-reader": "",
		}
		if id, ok := want[call.Get("RoleArn")]; !ok || call.Get("ExternalId") != id || call.Get("RoleSessionName") != "athenatrail" {
			t.Errorf("call %v", call)
		}
	}
	for _, agent := range f.agents {
		if !strings.Contains(agent, " athenatrail/1.2.3") {
			t.Errorf("user agent %q", agent)
		}
	}
}

func TestNoRole(t *testing.T) {
	startSTS(t)
	c := newConn(t, Options{})
	for _, account := range []string{"444455556666", "unknown", "11112222333", "1111222233334", "${x}"} {
		_, err := c.Config(t.Context(), account, "eu-west-1")
		if !errors.Is(err, ErrNoRole) {
			t.Errorf("account %q: %v, want ErrNoRole", account, err)
		}
	}
	_, err := c.Config(t.Context(), "444455556666", "")
	if line, hint := Explain(err); line != "account 444455556666: no role into the account" || !strings.Contains(hint, "--assume-role") {
		t.Errorf("%q, hint %q", line, hint)
	}
}

// A region comes out of a trail and becomes part of a host's name.
func TestRegionMustLookLikeOne(t *testing.T) {
	startSTS(t)
	c := newConn(t, Options{})
	for _, region := range []string{"unknown", "evil.example.com/", "eu-west-1.evil", "EU-WEST-1", "-"} {
		if _, err := c.Config(t.Context(), "111122223333", region); err == nil {
			t.Errorf("region %q is taken", region)
		}
	}
}

func TestDefaultRegion(t *testing.T) {
	alone(t)
	for _, tt := range []struct {
		env     string
		regions []string
		want    string
	}{
		{"", nil, "us-east-1"},
		{"", []string{"all"}, "us-east-1"},
		{"", []string{"eu-west-1", "us-west-2"}, "eu-west-1"},
		{"ap-south-1", []string{"eu-west-1"}, "ap-south-1"},
	} {
		t.Setenv("AWS_REGION", tt.env)
		if got := newConn(t, Options{Regions: tt.regions}).Region(); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

func TestNoCredentials(t *testing.T) {
	alone(t)
	c := newConn(t, Options{})
	_, err := c.Caller(t.Context())
	const want = "no AWS credentials: none in the environment, the shared configuration, or from the machine"
	if err == nil || err.Error() != want {
		t.Fatalf("error %v, want %q", err, want)
	}
	if _, hint := Explain(err); !strings.Contains(hint, "AWS_PROFILE") || !strings.Contains(hint, "aws sso login") {
		t.Errorf("hint %q", hint)
	}
	if !BadCredentials(err) {
		t.Error("not seen as bad credentials")
	}
}

func TestProfileThatDoesNotExist(t *testing.T) {
	alone(t)
	_, err := New(t.Context(), Options{Profile: "nobody"})
	if err == nil || err.Error() != `AWS profile "nobody" does not exist` {
		t.Errorf("error %v", err)
	}
}

func TestExpiredSSOSession(t *testing.T) {
	alone(t)
	file := filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", file)
	profile := "[profile work]\nsso_session = s\nsso_account_id = 111122223333\nsso_role_name = Reader\nregion = eu-west-1\n" +
		"[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n"
	if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newConn(t, Options{Profile: "work"})
	_, err := c.Caller(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	if line, hint := Explain(err); line != "the AWS SSO session has expired or was never begun" || !strings.Contains(hint, "aws sso login") {
		t.Errorf("%q, hint %q", line, hint)
	}
}

func TestRoleThatMayNotBeTaken(t *testing.T) {
	startSTS(t)
	c := newConn(t, Options{AssumeRole: "arn:aws:iam::{account}:role/r"})
	cfg, err := c.Config(t.Context(), "999999999999", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	line, hint := Explain(err)
	if !strings.HasPrefix(line, "not allowed to call sts:AssumeRole: User: arn:aws:iam::111122223333:user/alice is not authorized") ||
		!strings.Contains(hint, "deploy/policy/assume-reader.json") || !Denied(err) {
		t.Errorf("%q, hint %q", line, hint)
	}
}

func TestExplainAPIErrors(t *testing.T) {
	api := func(service, operation, code, message string) error {
		return &smithy.OperationError{ServiceID: service, OperationName: operation, Err: &smithy.GenericAPIError{Code: code, Message: message}}
	}
	for _, tt := range []struct {
		err        error
		line, hint string
	}{
		{api("Athena", "BatchGetQueryExecution", "AccessDeniedException", "no\nway"),
			"not allowed to call athena:BatchGetQueryExecution: no way", "details.json"},
		{api("S3", "PutObject", "AccessDenied", "Access Denied"), "not allowed to call s3:PutObject", "lake-write.json"},
		{api("S3", "HeadBucket", "NotFound", ""), "the bucket does not exist", "name"},
		{api("S3", "GetObject", "RequestTimeTooSkewed", "x"), "this machine's clock is wrong by more than AWS accepts", "clock"},
		{api("SSM", "GetParameter", "ParameterNotFound", "x"), "it does not exist (ParameterNotFound)", ""},
		{api("Athena", "BatchGetQueryExecution", "ns#ExpiredTokenException:http://x", ""), "the AWS credentials have expired", "aws sso login"},
		{api("Athena", "GetWorkGroup", "Odd", ""), "Athena.GetWorkGroup: Odd: no message", ""},
		{fmt.Errorf("read s3://b/k: %w", api("S3", "GetObject", "AccessDenied", "Access Denied")),
			"read s3://b/k: not allowed to call s3:GetObject", "collect-from-s3.json"},
		{errors.Join(fmt.Errorf("read a: %w", api("S3", "GetObject", "NoSuchKey", "x")), errors.New("read b: cut")),
			"read a: it does not exist (NoSuchKey)\nread b: cut", ""},
		{fmt.Errorf("x: %w", context.Canceled), "x: context canceled", ""},
		{errors.New("plain"), "plain", ""},
	} {
		line, hint := Explain(tt.err)
		if line != tt.line || !strings.Contains(hint, tt.hint) {
			t.Errorf("%v: %q, hint %q, want %q, %q", tt.err, line, hint, tt.line, tt.hint)
		}
		explained := Explained(tt.err)
		if explained.Error() != tt.line || !errors.Is(explained, tt.err) || Explained(explained) != explained {
			t.Errorf("%v: explained as %v", tt.err, explained)
		}
	}
	if err := errors.New("plain"); Explained(err) != err {
		t.Error("an error that is not AWS's was explained")
	}
	if Explained(nil) != nil {
		t.Error("no error was explained")
	}
}

func TestHostThatCannotBeReached(t *testing.T) {
	alone(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	cfg, err := newConn(t, Options{}).Config(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	client := sts.NewFromConfig(cfg, func(o *sts.Options) { o.Retryer = aws.NopRetryer{} })
	_, err = client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if line, _ := Explain(err); !strings.HasPrefix(line, "STS.GetCallerIdentity: cannot connect to 127.0.0.1:1: ") {
		t.Errorf("error %v", line)
	}
}

// Throttling is waited out for longer than what may be wrong for good.
func TestBackoff(t *testing.T) {
	throttle := &smithy.GenericAPIError{Code: "SlowDown"}
	r := newRetryer()
	if _, err := r.RetryDelay(failedAttempts, throttle); err != nil {
		t.Errorf("gives up on throttling after %d attempts: %v", failedAttempts, err)
	}
	if _, err := r.RetryDelay(failedAttempts, errors.New("no route")); err == nil {
		t.Errorf("goes on after %d failures", failedAttempts)
	}
	if d, err := r.RetryDelay(throttledAttempts, throttle); err != nil || d > maxBackoff {
		t.Errorf("delay %v, %v", d, err)
	}
	if r.MaxAttempts() != throttledAttempts {
		t.Errorf("%d attempts", r.MaxAttempts())
	}
}

func TestServiceEndpointIsTheSDKsOwn(t *testing.T) {
	alone(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://localhost:9000")
	cfg, err := newConn(t, Options{}).Config(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := s3.NewFromConfig(cfg).Options().BaseEndpoint; got == nil || *got != "http://localhost:9000" {
		t.Errorf("endpoint %v", got)
	}
}
