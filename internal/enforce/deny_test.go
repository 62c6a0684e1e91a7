package enforce

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail/internal/standing"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// everything is the policy that somebody has beside ours.
const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

func session_(name string) *standing.Principal {
	return &standing.Principal{Partition: "aws", Account: "111122223333", Kind: kindRole, Name: "Analyst", Session: name}
}

func documentOf(t testing.TB, statements ...statement) string {
	t.Helper()
	d := &document{version: policyVersion}
	for _, s := range statements {
		d.set(s)
	}
	text, err := d.text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestDeny has a policy judged: the session is denied before the end and allowed
// after it, and nobody else is denied anything.
func TestDeny(t *testing.T) {
	end := noon.Add(2 * time.Hour)
	policy := documentOf(t, denyStatement(sidPrefix+"1", session_("rosa@example.com"), nil, end))
	f := func(want bool, action, userID string, at time.Time) {
		t.Helper()
		if got := allowed(t, by(action, userID, at), everything, policy); got != want {
			t.Errorf("%s by %s at %s: %v", action, userID, at.Format(time.TimeOnly), got)
		}
	}
	for _, action := range []string{"athena:StartQueryExecution", "athena:StartSession", "athena:StartCalculationExecution"} {
		f(false, action, "AROAEXAMPLEROLE00001:rosa@example.com", noon)
		f(false, action, "AROAEXAMPLEROLE00001:rosa@example.com", end.Add(-time.Second))
		f(true, action, "AROAEXAMPLEROLE00001:rosa@example.com", end)
		f(true, action, "AROAEXAMPLEROLE00001:ines@example.com", noon)
		f(true, action, "AROAEXAMPLEROLE00001:not-rosa@example.com", noon)
		f(true, action, "AROAEXAMPLEROLE00001:rosa@example.com.evil", noon)
	}
	for _, action := range []string{"athena:GetQueryResults", "athena:StopQueryExecution", "athena:GetQueryExecution", "s3:GetObject"} {
		f(true, action, "AROAEXAMPLEROLE00001:rosa@example.com", noon)
	}
}

// TestDenyOfWorkGroups denies in the work groups that the limit is about alone.
func TestDenyOfWorkGroups(t *testing.T) {
	policy := documentOf(t, denyStatement(sidPrefix+"1", session_("rosa"), []string{"anal*"}, noon.Add(time.Hour)))
	c := by("athena:StartQueryExecution", "AROA1:rosa", noon)
	if allowed(t, c, everything, policy) {
		t.Error("a work group that is meant")
	}
	c.resource = "arn:aws:athena:eu-west-1:111122223333:workgroup/etl"
	if !allowed(t, c, everything, policy) {
		t.Error("another work group")
	}
}

// TestDenyOfSourceIdentity narrows a session whose name others have too.
func TestDenyOfSourceIdentity(t *testing.T) {
	p := session_("console")
	p.SourceIdentity = "rosa@example.com"
	policy := documentOf(t, denyStatement(sidPrefix+"1", p, nil, noon.Add(time.Hour)))
	c := by("athena:StartQueryExecution", "AROA1:console", noon)
	if !allowed(t, c, everything, policy) {
		t.Error("somebody without a source identity is denied")
	}
	c.keys["aws:sourceidentity"] = "rosa@example.com"
	if allowed(t, c, everything, policy) {
		t.Error("the person is allowed")
	}
	c.keys["aws:sourceidentity"] = "ines@example.com"
	if !allowed(t, c, everything, policy) {
		t.Error("another person is denied")
	}
}

// TestDenyMeansOneName: whatever the names, a policy denies the session that has
// the name and no other.
func TestDenyMeansOneName(t *testing.T) {
	name := rapid.StringMatching(`[a-z*?$@.{}]{1,6}`)
	rapid.Check(t, func(t *rapid.T) {
		blocked, other := name.Draw(t, "blocked"), name.Draw(t, "other")
		d := &document{version: policyVersion}
		d.set(denyStatement(sidPrefix+"1", session_(blocked), nil, noon.Add(time.Hour)))
		policy, err := d.text()
		if err != nil {
			t.Fatal(err)
		}
		if allowed(t, by("athena:StartSession", "AROA1:"+blocked, noon), everything, policy) {
			t.Fatalf("%q is allowed", blocked)
		}
		if got := allowed(t, by("athena:StartSession", "AROA1:"+other, noon), everything, policy); got != (other != blocked) {
			t.Fatalf("%q is blocked, and %q: %v", blocked, other, got)
		}
	})
}

// TestDocuments keeps what is not ours as it was written, replaces what is, and
// drops what ended.
func TestDocuments(t *testing.T) {
	const foreign = `{"Sid":"Audit","Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`
	old := `{"Version":"2012-10-17","Statement":[` + foreign + `,` +
		strings.TrimSuffix(strings.TrimPrefix(documentOf(t, denyStatement(sidPrefix+"old", session_("ines"), nil, noon.Add(-25*time.Hour)),
			denyStatement(sidPrefix+"new", session_("paul"), nil, noon.Add(time.Hour))), `{"Version":"2012-10-17","Statement":[`), `]}`) + `]}`
	d, err := parseDocument(old)
	if err != nil {
		t.Fatal(err)
	}
	d.dropEnded(noon)
	d.set(denyStatement(sidPrefix+"new", session_("paul"), nil, noon.Add(2*time.Hour)))
	d.set(denyStatement(sidPrefix+"rosa", session_("rosa"), nil, noon.Add(time.Hour)))
	text, err := d.text()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, foreign) || strings.Contains(text, ":ines") || strings.Count(text, ":paul") != 1 || !strings.Contains(text, "14:00:00Z") || !strings.Contains(text, ":rosa") {
		t.Errorf("got %s", text)
	}
	if d.drop("Audit") || !d.drop(sidPrefix+"rosa") || d.drop(sidPrefix+"rosa") {
		t.Error("drop removes what is not ours, or what is not there")
	}
	single, err := parseDocument(`{"Version":"2012-10-17","Statement":` + foreign + `}`)
	if err != nil || len(single.statements) != 1 || single.statements[0].Sid != "Audit" {
		t.Errorf("a statement without brackets: %+v, %v", single, err)
	}
	for _, wrong := range []string{
		`nonsense`,
		`{"Version":"2008-10-17","Statement":[]}`,
		`{"Version":"2012-10-17","Statement":[{"Sid":"` + sidPrefix + `x","Effect":"Allow","Action":["*"],"Resource":["*"]}]}`,
	} {
		if _, err := parseDocument(wrong); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}

// TestBlocksNobody: the statement that keeps a managed policy denies nothing.
func TestBlocksNobody(t *testing.T) {
	d := &document{version: policyVersion}
	d.keep()
	text, err := d.text()
	if err != nil {
		t.Fatal(err)
	}
	if !allowed(t, by("athena:StartQueryExecution", "AROA1:rosa", noon), everything, text) {
		t.Errorf("%s denies", text)
	}
	again, err := parseDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	again.set(denyStatement(sidPrefix+"1", session_("rosa"), nil, noon.Add(time.Hour)))
	again.keep()
	if len(again.statements) != 1 {
		t.Errorf("%d statements beside a real one", len(again.statements)-1)
	}
}

func TestSize(t *testing.T) {
	if n := size("{ \"a\":\n\t\"b ü\" }"); n != len(`{"a":"bu"}`) {
		t.Errorf("%d", n)
	}
	one := size(documentOf(t, denyStatement(sidPrefix+strings.Repeat("0", 32), session_("rosa@example.com"), nil, noon)))
	if one > 400 {
		t.Errorf("a statement has %d characters: fewer than %d people fit into a managed policy", one, maxManaged/400)
	}
}
