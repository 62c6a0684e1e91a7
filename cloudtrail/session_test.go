package cloudtrail

import (
	"strings"
	"testing"
)

// The session of Athena for Apache Spark is the one that a call names, else
// the one from within which a role session was called after it; a user that
// somebody called so is in none.
func TestSessionOfARecord(t *testing.T) {
	const executor = `{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/spark/AthenaExecutor-s1","principalId":"AROA:AthenaExecutor-s1"}`
	f := func(want, identity, request, response string) {
		t.Helper()
		r, err := DecodeRecord(`{"eventTime":"2026-05-04T08:00:00Z","eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","userIdentity":` + identity + `,"requestParameters":` + request + `,"responseElements":` + response + `}`)
		if err != nil || r.SessionID != want {
			t.Errorf("%s %s %s: got %q, %v; want %q", identity, request, response, r.SessionID, err, want)
		}
	}
	f("s1", executor, `null`, `null`)
	f("s1", strings.Replace(executor, `"arn"`, `"x"`, 1), `null`, `null`)
	f("s1", strings.Replace(executor, `"AssumedRole"`, `"Unknown"`, 1), `{"sessionId":7}`, `null`)
	f("s2", executor, `{"sessionId":"s2"}`, `null`)
	f("s3", executor, `{"sessionId":"s2"}`, `{"sessionId":"s3"}`)
	f("", `{"type":"IAMUser","arn":"arn:aws:iam::123456789012:user/AthenaExecutor-s1","principalId":"AIDA"}`, `null`, `null`)
	f("", `{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/AthenaExecutor-s1/rosa","principalId":"AROA:rosa"}`, `null`, `null`)
	f("", `{"type":"AssumedRole"}`, `"HIDDEN_FOR_SECURITY_REASONS"`, `[1]`)
	f("", `null`, `null`, `null`)

	notebook := func(want, request string) {
		t.Helper()
		r, err := DecodeRecord(`{"eventTime":"2026-05-04T08:00:00Z","eventSource":"athena.amazonaws.com","eventName":"StartSession","requestParameters":` + request + `}`)
		if err != nil || r.NotebookID != want {
			t.Errorf("%s: got %q, %v; want %q", request, r.NotebookID, err, want)
		}
	}
	notebook("n1", `{"engineConfiguration":{"additionalConfigs":{"NotebookId":"n1"}}}`)
	notebook("n1", `{"engineConfiguration":{"additionalConfigs":{"notebookId":"n1"}}}`)
	notebook("n1", `{"notebookId":"n1"}`)
	notebook("", `{"engineConfiguration":{"additionalConfigs":"HIDDEN_FOR_SECURITY_REASONS"}}`)
	notebook("", `{"engineConfiguration":"HIDDEN_FOR_SECURITY_REASONS"}`)
	notebook("", `{"engineConfiguration":{"additionalConfigs":{"NotebookId":7}}}`)
}
