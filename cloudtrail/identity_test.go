package cloudtrail

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

// The identity of a record reads the same out of the record and alone, but
// for the access key id, which a role session's caller does not hold.
func TestDecodeIdentity(t *testing.T) {
	const identity = `{"accountId":"123456789012","arn":"arn:aws:sts::123456789012:assumed-role/etl/a\"b","inScopeOf":{"credentialsIssuedTo":"arn:aws:lambda:eu-west-1:123456789012:function:f","issuerType":"AWS::Lambda::Function"},` +
		`"invokedBy":"athena.amazonaws.com","onBehalfOf":{"identityStoreArn":"arn:aws:identitystore::123456789012:identitystore/d-0000000001","userId":"d2f0c4a4-0000-0000-0000-000000000001"},"principalId":"AROAEXAMPLEROLE00001:a\"b",` +
		`"sessionContext":{"attributes":{"creationDate":"2026-05-04T08:00:00Z","mfaAuthenticated":"true"},"sessionIssuer":{"accountId":"123456789012","arn":"arn:aws:iam::123456789012:role/jobs/etl","principalId":"AROAEXAMPLEROLE00001","type":"Role","userName":"etl"},"sourceIdentity":"rosa"},"type":"AssumedRole"}`
	record := `{"eventID":"e","eventName":"AssumeRole","eventSource":"sts.amazonaws.com","eventTime":"2026-05-04T08:00:00Z","userIdentity":` + identity + `}`
	r, err := DecodeRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeIdentity(identity)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r.Identity, got); d != "" {
		t.Error(d)
	}
	if got.Type != "AssumedRole" || got.Issuer.UserName != "etl" || got.SourceIdentity != "rosa" || got.MFA == nil || !*got.MFA || got.InScopeOf.IssuerType == "" || !strings.HasSuffix(got.ARN, `/a"b`) {
		t.Errorf("%+v", got)
	}
	for _, empty := range []string{"{}", "null", `"x"`, "[1]", "7"} {
		got, err := DecodeIdentity(empty)
		if d := cmp.Diff(athenatrail.Identity{}, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", empty, err, d)
		}
	}
	for _, bad := range []string{"", "{", `{"type":"Root"`, "{}x", `{"type":}`} {
		if got, err := DecodeIdentity(bad); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func FuzzDecodeIdentity(f *testing.F) {
	f.Add(`{"type":"AssumedRole","sessionContext":{"sessionIssuer":{"userName":"etl"}}}`)
	f.Add(`{"sessionContext":[{}],"onBehalfOf":"x","inScopeOf":null,"type":{"a":1}}`)
	f.Add(`{ "type" : "Root" }`)
	f.Add(`{"a":"\ud800"}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := DecodeIdentity(text)
		if err != nil || text != strings.TrimSpace(text) {
			return
		}
		r, err := DecodeRecord(`{"eventID":"e","eventName":"n","eventSource":"sts.amazonaws.com","eventTime":"2026-05-04T08:00:00Z","userIdentity":` + text + `}`)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r.Identity, got); d != "" {
			t.Error(d)
		}
	})
}
