package athenaapitest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestAuthentication(t *testing.T) {
	s := start(t, store{}, nil)
	body := `{"QueryExecutionIds":["x"]}`
	send := func(header map[string]string) (int, string) {
		t.Helper()
		r, _ := http.NewRequest(http.MethodPost, s.URL+"/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "AmazonAthena.BatchGetQueryExecution")
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		for k, v := range header {
			r.Header.Set(k, v)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		var e struct {
			Type string `json:"__type"`
		}
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		return resp.StatusCode, e.Type
	}
	if status, code := send(nil); status != 403 || code != "MissingAuthenticationTokenException" {
		t.Errorf("unsigned: %d %s", status, code)
	}
	if status, code := send(map[string]string{"Authorization": "Basic abc"}); status != 403 || code != "IncompleteSignatureException" {
		t.Errorf("another scheme: %d %s", status, code)
	}
	_, err := batch(client(s, provider("AKIAUNKNOWN01EXAMPLE", secret)), "x")
	wantCode(t, err, "UnrecognizedClientException")
	_, err = batch(client(s, provider(keyID, "wrong")), "x")
	wantCode(t, err, "InvalidSignatureException")
	_, err = batch(client(s, credentials.NewStaticCredentialsProvider(keyID, secret, "token")), "x")
	wantCode(t, err, "UnrecognizedClientException")
	if c := s.Counts("BatchGetQueryExecution"); c.Requests != 0 {
		t.Errorf("calls that are not signed as they should be count: %+v", c)
	}

	// A good signature for another service is refused, by name.
	signed := athena.New(athena.Options{BaseEndpoint: &s.URL, Region: region, Credentials: provider(keyID, secret), RetryMaxAttempts: 1,
		HTTPClient: doer(func(r *http.Request) (*http.Response, error) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/athena/", "/s3/", 1))
			return http.DefaultClient.Do(r)
		})})
	_, err = batch(signed, "x")
	if m := wantCode(t, err, "InvalidSignatureException"); !strings.Contains(m, "correct service: 'athena'") {
		t.Error("message:", m)
	}
	// A body changed on the way does not pass.
	changed := athena.New(athena.Options{BaseEndpoint: &s.URL, Region: region, Credentials: provider(keyID, secret), RetryMaxAttempts: 1,
		HTTPClient: doer(func(r *http.Request) (*http.Response, error) {
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat(" ", int(r.ContentLength)-2) + "{}"))
			return http.DefaultClient.Do(r)
		})})
	_, err = batch(changed, "x")
	wantCode(t, err, "InvalidSignatureException")
	late := start(t, store{}, func(c *athenaapitest.Config) {
		c.Wall = func() time.Time { return time.Now().Add(16 * time.Minute) }
	})
	_, err = batch(own(late), "x")
	wantCode(t, err, "InvalidSignatureException")
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func TestAssumeRole(t *testing.T) {
	var mu sync.Mutex
	wall := time.Now()
	s := start(t, store{finance: {execution("f-1", "primary", now.Add(-time.Hour))}}, func(c *athenaapitest.Config) {
		c.Wall = func() time.Time { mu.Lock(); defer mu.Unlock(); return wall }
		c.Roles = []athenaapitest.Role{
			{ARN: detailsAt, ExternalID: "unguessable"},
			{ARN: "arn:aws:iam::444455556666:role/elsewhere", Trusted: []string{"999999999999"}},
		}
	})
	tokens := sts.New(sts.Options{BaseEndpoint: &s.URL, Region: region, Credentials: provider(keyID, secret), RetryMaxAttempts: 1})
	who, err := tokens.GetCallerIdentity(ctx, nil)
	if err != nil || *who.Account != analytics || *who.Arn != "arn:aws:iam::111122223333:user/reader" || *who.UserId != "AIDATESTREADEREXAMPL" {
		t.Fatalf("got %v, %v", who, err)
	}

	assumed := func(role, external string) aws.CredentialsProvider {
		return stscreds.NewAssumeRoleProvider(tokens, role, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "athenatrail"
			o.Duration = 15 * time.Minute
			if external != "" {
				o.ExternalID = &external
			}
		})
	}
	for _, c := range []struct{ name, role, external string }{
		{"no external id", detailsAt, ""},
		{"a wrong external id", detailsAt, "guess"},
		{"a role that is not there", "arn:aws:iam::444455556666:role/none", ""},
		{"a role that trusts another account", "arn:aws:iam::444455556666:role/elsewhere", ""},
	} {
		_, err := assumed(c.role, c.external).Retrieve(ctx)
		if m := wantCode(t, err, "AccessDenied"); m != "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: sts:AssumeRole on resource: "+c.role {
			t.Errorf("%s: message %s", c.name, m)
		}
	}
	cached := aws.NewCredentialsCache(assumed(detailsAt, "unguessable"))
	there := client(s, cached)
	out, err := batch(there, "f-1")
	if err != nil || len(out.QueryExecutions) != 1 {
		t.Fatalf("with the role: %v, %v", out, err)
	}
	out, err = batch(own(s), "f-1")
	if err != nil || len(out.UnprocessedQueryExecutionIds) != 1 {
		t.Fatalf("without the role: %v, %v", out, err)
	}
	who, err = sts.New(sts.Options{BaseEndpoint: &s.URL, Region: region, Credentials: cached}).GetCallerIdentity(ctx, nil)
	if err != nil || *who.Account != finance || *who.Arn != "arn:aws:sts::444455556666:assumed-role/athenatrail-details/athenatrail" {
		t.Fatalf("got %v, %v", who, err)
	}

	bad := sts.New(sts.Options{BaseEndpoint: &s.URL, Region: region, Credentials: provider(keyID, "wrong"), RetryMaxAttempts: 1})
	_, err = bad.GetCallerIdentity(ctx, nil)
	wantCode(t, err, "SignatureDoesNotMatch")

	// Issued keys end. The signature's time has to move along.
	keys, err := cached.Retrieve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	wall = wall.Add(16 * time.Minute)
	mu.Unlock()
	later := athena.New(athena.Options{BaseEndpoint: &s.URL, Region: region, Credentials: cached, RetryMaxAttempts: 1,
		HTTPClient: doer(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			at := wall
			mu.Unlock()
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			sum := sha256.Sum256(body)
			if err := v4.NewSigner().SignHTTP(ctx, keys, r, hex.EncodeToString(sum[:]), "athena", region, at); err != nil {
				return nil, err
			}
			return http.DefaultClient.Do(r)
		})})
	_, err = batch(later, "f-1")
	wantCode(t, err, "ExpiredTokenException")
}
