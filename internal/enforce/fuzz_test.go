package enforce

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// FuzzDocument reads any text as the policy that a role has. What is not ours
// stays in it as it was, and our own statement goes in and out.
func FuzzDocument(f *testing.F) {
	f.Add("", "ana")
	f.Add(`{"Version":"2012-10-17","Statement":{"Sid":"Own","Effect":"Allow","Action":"s3:*","Resource":"*"}}`, "ana")
	f.Add(`{"Version":"2012-10-17","Statement":[{"Sid":"AthenatrailX","Condition":{"DateLessThan":{"aws:CurrentTime":"x"}}},null,1]}`, `*"}$${`)
	f.Add(`{"Version":"2008-10-17"}`, "\u202e\x00")
	f.Fuzz(func(t *testing.T, text, session string) {
		d, err := parseDocument(text)
		if err != nil {
			return
		}
		foreign := func(d *document) (list []string) {
			for _, s := range d.statements {
				if s.foreign != nil {
					list = append(list, string(s.foreign))
				}
			}
			return list
		}
		before := foreign(d)
		own := denyStatement(sidPrefix+"Fuzz", session_(session), nil, time.Unix(2e9, 0))
		d.set(own)
		d.dropEnded(time.Unix(1e9, 0))
		written, err := d.text()
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid([]byte(written)) {
			t.Fatalf("%q became %s", text, written)
		}
		again, err := parseDocument(written)
		if err != nil {
			t.Fatalf("%q became %s: %v", text, written, err)
		}
		if !again.drop(own.Sid) || again.drop(own.Sid) {
			t.Fatalf("our statement is not once in %s", written)
		}
		if after := foreign(again); len(after) != len(before) {
			t.Fatalf("of %d statements of others %d are left", len(before), len(after))
		}
	})
}

// FuzzPrincipal takes any ARN out of a trail. Who can be blocked has a name
// that IAM takes, and the policy that blocks them no place for more.
func FuzzPrincipal(f *testing.F) {
	for _, arn := range []string{
		"arn:aws:sts::111122223333:assumed-role/Analyst/ana@example.com", "arn:aws:iam::111122223333:user/teams/ana", "arn:aws:iam::111122223333:root", "arn:aws:sts::111122223333:federated-user/x",
		"arn:aws:sts::111122223333:assumed-role/../x", "arn:aws:sts::111122223333:assumed-role/A\"nalyst/*", "arn:::::::::", "arn:aws-cn:iam::111122223333:user//", strings.Repeat("arn:", 1000), "arn:aws:sts::111122223333:assumed-role/A/${aws:username}\x00",
	} {
		f.Add(arn, "identity_center")
	}
	f.Fuzz(func(t *testing.T, arn, source string) {
		x := &row{}
		x.PrincipalARN, x.PersonSource = arn, source
		p, why := principalOf(x)
		if (p == nil) == (why == "") {
			t.Fatalf("%q: %+v, %q", arn, p, why)
		}
		_ = accountOf(x)
		if p == nil {
			return
		}
		if !nameForm.MatchString(p.Name) || !accountForm.MatchString(p.Account) || !partitionForm.MatchString(p.Partition) || p.Kind != kindRole && p.Kind != kindUser {
			t.Fatalf("%q: %+v", arn, p)
		}
		d := &document{version: policyVersion}
		d.set(denyStatement(sidPrefix+"Fuzz", p, nil, time.Unix(2e9, 0)))
		text, err := d.text()
		if err != nil || !json.Valid([]byte(text)) {
			t.Fatalf("%q: %s, %v", arn, text, err)
		}
		if session := d.statements[0].Condition["StringLike"]["aws:userid"]; p.Session != "" && strings.Count(strings.NewReplacer("${$}", "", "${*}", "", "${?}", "").Replace(session), "*") != 1 {
			t.Fatalf("the session %q is matched by %q", p.Session, session)
		}
	})
}
