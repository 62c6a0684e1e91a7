package enforce

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// The evaluator judges policies as IAM does, as far as ours go (IAM User Guide,
// "Policy evaluation logic"): an explicit deny wins over every allow. Of
// conditions it knows StringLike, StringEquals and DateLessThan; a key that the
// request lacks makes them false. It stands for AWS in tests, since moto does
// not look at conditions.

// A judge is the part of a test that the evaluator uses.
type judge interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// A call is what somebody asks of AWS.
type call struct {
	action   string
	resource string
	keys     map[string]string // condition keys, in lower case
}

// by returns a call of a role's session at a time.
func by(action, userID string, at time.Time) call {
	return call{action, "arn:aws:athena:eu-west-1:111122223333:workgroup/analysts", map[string]string{
		"aws:userid": userID, "aws:currenttime": at.UTC().Format(time.RFC3339),
	}}
}

// texts reads a string or a list of them.
func texts(t judge, raw json.RawMessage) []string {
	t.Helper()
	var one string
	var many []string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	if err := json.Unmarshal(raw, &many); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return many
}

// allowed tells whether policies let a call through.
func allowed(t judge, c call, policies ...string) bool {
	t.Helper()
	may := false
	for _, policy := range policies {
		var doc struct {
			Version   string
			Statement []struct {
				Sid, Effect      string
				Action, Resource json.RawMessage
				Condition        map[string]map[string]json.RawMessage
			}
		}
		if err := json.Unmarshal([]byte(policy), &doc); err != nil {
			t.Fatalf("policy %s: %v", policy, err)
		}
		if doc.Version != "2012-10-17" {
			t.Fatalf("policy of version %q", doc.Version)
		}
		sids := map[string]bool{}
		for _, s := range doc.Statement {
			if s.Sid != "" && (sids[s.Sid] || strings.Trim(s.Sid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "") {
				t.Fatalf("Sid %q twice, or in a form that IAM does not take", s.Sid)
			}
			sids[s.Sid] = true
			matches := func(raw json.RawMessage, name string, fold bool) bool {
				for _, pattern := range texts(t, raw) {
					if fold {
						pattern, name = strings.ToLower(pattern), strings.ToLower(name)
					}
					if like(pattern, name) {
						return true
					}
				}
				return false
			}
			if !matches(s.Action, c.action, true) || !matches(s.Resource, c.resource, false) || !holds(t, s.Condition, c.keys) {
				continue
			}
			switch s.Effect {
			case "Deny":
				return false
			case "Allow":
				may = true
			default:
				t.Fatalf("effect %q", s.Effect)
			}
		}
	}
	return may
}

// holds tells whether all conditions hold.
func holds(t judge, conditions map[string]map[string]json.RawMessage, keys map[string]string) bool {
	t.Helper()
	for operator, operands := range conditions {
		for key, raw := range operands {
			value, ok := keys[strings.ToLower(key)]
			if !ok {
				return false
			}
			one := false
			for _, want := range texts(t, raw) {
				switch operator {
				case "StringLike":
					one = one || like(want, value)
				case "StringEquals":
					one = one || plain(want) == value
				case "DateLessThan":
					limit, err := time.Parse(time.RFC3339, want)
					if err != nil {
						t.Fatalf("%s: %v", want, err)
					}
					at, err := time.Parse(time.RFC3339, value)
					if err != nil {
						t.Fatal(err)
					}
					one = one || at.Before(limit)
				default:
					t.Fatalf("condition operator %s", operator)
				}
			}
			if !one {
				return false
			}
		}
	}
	return true
}

// plain replaces the variables that stand for characters; others are unknown
// here and match nothing.
func plain(s string) string {
	return strings.NewReplacer("${*}", "*", "${?}", "?", "${$}", "$").Replace(s)
}

// like matches a text with a pattern of IAM: * and ? are wildcards, ${*}, ${?}
// and ${$} the characters themselves.
func like(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	for _, escape := range []string{"${*}", "${?}", "${$}"} {
		if rest, ok := strings.CutPrefix(pattern, escape); ok {
			return s != "" && s[0] == escape[2] && like(rest, s[1:])
		}
	}
	switch {
	case pattern[0] == '*':
		return like(pattern[1:], s) || s != "" && like(pattern, s[1:])
	case s == "":
		return false
	case pattern[0] == '?' || pattern[0] == s[0]:
		return like(pattern[1:], s[1:])
	}
	return false
}

// TestEvaluator shows that the judge itself can tell.
func TestEvaluator(t *testing.T) {
	now := time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)
	const policy = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"athena:*","Resource":"*"},
		{"Sid":"a","Effect":"Deny","Action":["athena:Start*"],"Resource":"arn:aws:athena:*:*:workgroup/anal?sts",
		 "Condition":{"StringLike":{"aws:userid":"*:ro${*}a"},"DateLessThan":{"aws:CurrentTime":"2026-11-03T13:00:00Z"}}}]}`
	f := func(want bool, c call) {
		t.Helper()
		if got := allowed(t, c, policy); got != want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	f(false, by("athena:StartSession", "AROA1:ro*a", now))
	f(false, by("Athena:startsession", "AROA1:ro*a", now))
	f(true, by("athena:StopQueryExecution", "AROA1:ro*a", now))
	f(true, by("athena:StartSession", "AROA1:rosa", now))
	f(true, by("athena:StartSession", "AROA1:ro*a", now.Add(time.Hour)))
	f(false, by("s3:GetObject", "AROA1:rosa", now))
	other := by("athena:StartSession", "AROA1:ro*a", now)
	other.resource = "arn:aws:athena:eu-west-1:111122223333:workgroup/etl"
	f(true, other)
	delete(other.keys, "aws:userid")
	other.resource = "arn:aws:athena:eu-west-1:111122223333:workgroup/analysts"
	f(true, other)
}
