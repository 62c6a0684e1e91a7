package enforce

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/athenatrail/athenatrail/internal/standing"
)

// PolicyName is the name of the inline policy that blocks: athenatrail writes
// no other.
const PolicyName = "athenatrail-limits"

// sidPrefix begins the Sids of our statements. A Sid holds letters and digits
// alone (IAM User Guide, "IAM JSON policy elements: Sid").
const sidPrefix = "AthenatrailBlock"

// nothingSid is that of the statement that keeps a managed policy, which must
// have one, when it blocks nobody.
const nothingSid = "AthenatrailBlocksNobody"

// What IAM takes, in characters without white space (IAM User Guide, "IAM and
// AWS STS quotas"): of a role and of a user the sum of their inline policies.
const (
	maxRoleInline = 10_240
	maxUserInline = 2_048
	maxManaged    = 6_144
	maxVersions   = 5
)

// deniedActions are what somebody who is blocked may not call.
var deniedActions = []string{"athena:StartCalculationExecution", "athena:StartQueryExecution", "athena:StartSession"}

// A statement is one of a policy's. Of those that are not ours it is kept as it
// was written.
type statement struct {
	Sid       string              `json:",omitempty"`
	Effect    string              `json:",omitempty"`
	Action    []string            `json:",omitempty"`
	Resource  []string            `json:",omitempty"`
	Condition map[string]operands `json:",omitempty"`

	foreign json.RawMessage
}

// operands are condition keys with the one value that each is compared with.
type operands map[string]string

// denyStatement returns what denies a principal to start anything in the work
// groups of the patterns, all of them without any, until a time: by itself,
// whoever lives to take it away.
func denyStatement(sid string, p *standing.Principal, workGroups []string, until time.Time) statement {
	s := statement{
		Sid: sid, Effect: "Deny", Action: deniedActions, Resource: []string{"*"},
		Condition: map[string]operands{"DateLessThan": {"aws:CurrentTime": until.UTC().Format(time.RFC3339)}},
	}
	if len(workGroups) > 0 {
		s.Resource = nil
		for _, group := range workGroups {
			s.Resource = append(s.Resource, "arn:"+p.Partition+":athena:*:*:workgroup/"+strings.ReplaceAll(group, "$", "${$}"))
		}
	}
	if p.Session != "" {
		s.Condition["StringLike"] = operands{"aws:userid": "*:" + literal(p.Session)}
	}
	if p.SourceIdentity != "" {
		s.Condition["StringEquals"] = operands{"aws:SourceIdentity": p.SourceIdentity}
	}
	return s
}

// literal writes a text so that StringLike takes it for itself alone. STS
// takes none of these characters in a session's name, but the name comes out
// of a trail.
func literal(s string) string {
	return strings.NewReplacer("$", "${$}", "*", "${*}", "?", "${?}").Replace(s)
}

// A document is a policy's JSON.
type document struct {
	version    string
	statements []statement
}

const policyVersion = "2012-10-17" // the version of IAM's language in which ${*} means *

// parseDocument reads a policy; empty text is one without statements. An older
// version of the language would not know our escapes.
func parseDocument(text string) (*document, error) {
	d := &document{version: policyVersion}
	if text == "" {
		return d, nil
	}
	var raw struct {
		Version   string
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, fmt.Errorf("the policy that is there is not JSON: %w", err)
	}
	if raw.Version != policyVersion {
		return nil, fmt.Errorf("the policy that is there has version %.20q: want %s", raw.Version, policyVersion)
	}
	var list []json.RawMessage
	if json.Unmarshal(raw.Statement, &list) != nil {
		list = []json.RawMessage{raw.Statement} // IAM takes one without its brackets
	}
	for _, one := range list {
		var s statement
		var sid struct{ Sid string }
		if err := json.Unmarshal(one, &sid); err != nil {
			return nil, fmt.Errorf("the policy that is there has a statement that cannot be read: %w", err)
		}
		if strings.HasPrefix(sid.Sid, sidPrefix) {
			if err := json.Unmarshal(one, &s); err != nil || s.Condition["DateLessThan"]["aws:CurrentTime"] == "" {
				return nil, fmt.Errorf("the policy that is there has a statement %s that athenatrail did not write", sid.Sid)
			}
		} else {
			s = statement{Sid: sid.Sid, foreign: one}
		}
		d.statements = append(d.statements, s)
	}
	return d, nil
}

// set puts a statement in the place of that with its Sid, or at the end.
func (d *document) set(s statement) {
	if i := slices.IndexFunc(d.statements, func(o statement) bool { return o.Sid == s.Sid }); i >= 0 {
		d.statements[i] = s
		return
	}
	d.statements = append(d.statements, s)
}

// drop removes the statement with a Sid, and reports whether there was one.
func (d *document) drop(sid string) bool {
	n := len(d.statements)
	d.statements = slices.DeleteFunc(d.statements, func(s statement) bool { return s.foreign == nil && s.Sid == sid })
	return len(d.statements) < n
}

// dropEnded removes our statements that ended before now, with a day's grace
// for clocks that differ.
func (d *document) dropEnded(now time.Time) {
	d.statements = slices.DeleteFunc(d.statements, func(s statement) bool {
		if s.foreign != nil {
			return false
		}
		until, err := time.Parse(time.RFC3339, s.Condition["DateLessThan"]["aws:CurrentTime"])
		return err == nil && until.Before(now.Add(-24*time.Hour))
	})
}

// keep makes the document of a managed policy have a statement: one that denies
// nothing any more, where there is no other.
func (d *document) keep() {
	d.statements = slices.DeleteFunc(d.statements, func(s statement) bool { return s.Sid == nothingSid })
	if len(d.statements) == 0 {
		s := denyStatement(nothingSid, &standing.Principal{}, nil, time.Unix(0, 0))
		raw, _ := json.Marshal(s)
		d.statements = []statement{{Sid: nothingSid, foreign: raw}}
	}
}

// text returns the document's JSON.
func (d *document) text() (string, error) {
	list := []json.RawMessage{}
	for _, s := range d.statements {
		raw := s.foreign
		if raw == nil {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(s); err != nil {
				return "", err
			}
			raw = bytes.TrimSpace(b.Bytes())
		}
		list = append(list, raw)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Version   string
		Statement []json.RawMessage
	}{d.version, list})
	return strings.TrimSpace(b.String()), err
}

// size returns what IAM counts of a policy: its characters without white space.
func size(text string) (n int) {
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}
