package cloudtrail

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// Facts are what a part of a log file holds for the lake, in the order in
// which the file told it.
type Facts struct {
	Events        []athenatrail.Event
	SessionEvents []athenatrail.SessionEvent
	RoleSessions  []athenatrail.RoleSession
	DataAccess    []athenatrail.DataAccess
	Texts         []athenatrail.QueryText

	size int // bytes of text held, roughly
}

// Size returns about how many bytes of memory the facts hold.
func (f *Facts) Size() int { return f.size }

// Append adds the facts of g.
func (f *Facts) Append(g *Facts) {
	f.Events = append(f.Events, g.Events...)
	f.SessionEvents = append(f.SessionEvents, g.SessionEvents...)
	f.RoleSessions = append(f.RoleSessions, g.RoleSessions...)
	f.DataAccess = append(f.DataAccess, g.DataAccess...)
	f.Texts = append(f.Texts, g.Texts...)
	f.size += g.size
}

// Reasons for which a record of a source that is looked at becomes no fact.
const (
	DropSTSService    = "sts_by_service"      // an AWS service assumed a role for itself
	DropSTSOther      = "sts_other"           // an STS call that issued no credentials
	DropLakeFormation = "lakeformation_other" // not about the tables of a query
	DropStateChange   = "query_state_change"  // EventBridge's own event about a query, no record
)

// add turns one record, in canonical form, into facts. It returns why the
// record was dropped, if it was.
func (f *Facts) add(raw string) (r athenatrail.Record, dropped string, err error) {
	if r, err = DecodeRecord(raw); err != nil {
		return r, "", err
	}
	home := athenatrail.NewPartition(r.EventTime, r.AccountID(), r.Region)
	switch r.EventSource {
	case sourceAthena:
		f.addEvent(raw, &r, home)
	case sourceSTS:
		dropped = f.addRoleSession(raw, &r, home)
	case sourceLakeFormation:
		dropped = f.addDataAccess(raw, &r, home)
	}
	return r, dropped, nil
}

func eventID(raw string, r *athenatrail.Record) string {
	switch {
	case r.Addendum.OriginalEventID != "":
		return r.Addendum.OriginalEventID
	case r.EventID != "":
		return r.EventID
	}
	sum := sha256.Sum256([]byte(raw))
	return "sha256:" + hex.EncodeToString(sum[:16])
}

func (f *Facts) addEvent(raw string, r *athenatrail.Record, home athenatrail.Partition) {
	e := athenatrail.Event{
		Home:             home,
		QueryExecutionID: r.QueryExecutionID,
		Time:             r.EventTime,
		Name:             r.EventName,
		SessionID:        r.SessionID,
		AccessKeyHash:    athenatrail.HashAccessKey(r.Identity.AccessKeyID),
		SharedEventID:    r.SharedEventID,
		Updated:          r.Addendum.Reason == "UPDATED_DATA",
	}
	if r.QueryString != "" {
		e.TextHash = athenatrail.HashText(r.QueryString)
		f.Texts = append(f.Texts, athenatrail.QueryText{Home: home, TextHash: e.TextHash, QueryString: r.QueryString})
		f.size += len(r.QueryString)
	}
	if e.TextHash != "" || strings.Contains(r.ResponseElements, `"authToken"`) || strings.Contains(r.ResponseElements, `"notebookUrl"`) {
		raw = withoutTexts(raw)
	}
	e.ID, e.Record = eventID(raw, r), raw
	f.Events = append(f.Events, e)
	f.size += len(raw) + 200
	switch r.EventName {
	case "StartSession", "TerminateSession", "StartCalculationExecution", "StopCalculationExecution":
		f.SessionEvents = append(f.SessionEvents, athenatrail.SessionEvent{
			Home: home, ID: e.ID, SessionID: e.SessionID, Time: e.Time, Name: e.Name, Updated: e.Updated, Record: raw,
		})
	}
}

// withoutTexts replaces SQL by its hash and drops what lets its holder in:
// the token and the address of a notebook.
func withoutTexts(raw string) string {
	return rewrite(raw, func(key, v string) string {
		if key != "requestParameters" && key != "responseElements" {
			return v
		}
		return rewrite(v, func(key, v string) string {
			switch key {
			case "queryString", "query", "queryStatement":
				if sql := stringIn(v); sql != "" && sql != maskSQL && sql != maskNotebook {
					return `"sha256:` + athenatrail.HashText(sql) + `"`
				}
			case "authToken", "notebookUrl":
				return `"` + maskNotebook + `"`
			}
			return v
		})
	})
}

// rewrite returns an object in canonical form with each value replaced by
// what change returns for it; "" drops the member. A value that is no object
// is returned as it is.
func rewrite(v string, change func(key, v string) string) string {
	o := objectIn(v)
	if o.text == "" {
		return v
	}
	var b strings.Builder
	b.Grow(len(v))
	b.WriteByte('{')
	for {
		key, v, ok := o.next()
		if !ok {
			break
		}
		if v = change(key, v); v == "" {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(key)
		b.WriteString(`":`)
		b.WriteString(v)
	}
	b.WriteByte('}')
	return b.String()
}

func (f *Facts) addRoleSession(raw string, r *athenatrail.Record, home athenatrail.Partition) (dropped string) {
	if r.Identity.Type == "AWSService" || r.Identity.Type == "" && r.Identity.InvokedBy != "" {
		return DropSTSService
	}
	s := athenatrail.RoleSession{
		Home:          home,
		EventID:       eventID(raw, r),
		EventName:     r.EventName,
		Issued:        r.EventTime,
		CallerKeyHash: athenatrail.HashAccessKey(r.Identity.AccessKeyID),
		SourceIP:      r.SourceIP,
		UserAgent:     r.UserAgent,
	}
	for o := objectIn(r.ResponseElements); ; {
		key, v, ok := o.next()
		if !ok {
			break
		}
		switch key {
		case "credentials":
			for o := objectIn(v); ; {
				key, v, ok := o.next()
				if !ok {
					break
				}
				switch key {
				case "accessKeyId":
					s.AccessKeyHash = athenatrail.HashAccessKey(stringIn(v))
				case "expiration":
					s.Expires = parseExpiration(stringIn(v))
				}
			}
		case "sourceIdentity":
			set(&s.SourceIdentity, v)
		}
	}
	if s.AccessKeyHash == "" {
		return DropSTSOther
	}
	for o := objectIn(r.RequestParameters); ; {
		key, v, ok := o.next()
		if !ok {
			break
		}
		switch key {
		case "roleArn":
			set(&s.RoleARN, v)
		case "roleSessionName":
			set(&s.RoleSessionName, v)
		case "name": // of GetFederationToken
			set(&s.RoleSessionName, v)
		case "sourceIdentity":
			set(&s.SourceIdentity, v)
		}
	}
	for o := objectIn(raw); ; {
		key, v, ok := o.next()
		if !ok {
			break
		}
		if key == "userIdentity" {
			s.Caller = rewrite(v, func(key, v string) string {
				if key == "accessKeyId" {
					return ""
				}
				return v
			})
		}
	}
	if s.Caller == "" {
		s.Caller = "{}"
	}
	f.RoleSessions = append(f.RoleSessions, s)
	f.size += len(s.Caller) + 300
	return ""
}

// plainSpaces replaces the blanks that are none of ASCII's.
var plainSpaces = strings.NewReplacer("\u202f", " ", "\u00a0", " ")

// parseExpiration reads the forms in which STS records tell when credentials
// expire: ISO, and English dates, of late with a narrow no-break space.
func parseExpiration(s string) time.Time {
	layouts := []string{"Jan 2, 2006 3:04:05 PM", "Jan 2, 2006, 3:04:05 PM"}
	if s != "" && '0' <= s[0] && s[0] <= '9' {
		layouts = []string{time.RFC3339}
	}
	s = plainSpaces.Replace(s)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

func (f *Facts) addDataAccess(raw string, r *athenatrail.Record, home athenatrail.Partition) (dropped string) {
	if r.EventName != "GetDataAccess" {
		return DropLakeFormation
	}
	d := athenatrail.DataAccess{Home: home, EventID: eventID(raw, r), Time: r.EventTime}
	for o := objectIn(r.RequestParameters); ; {
		key, v, ok := o.next()
		if !ok {
			break
		}
		switch key {
		case "tableArn":
			set(&d.Table, v)
		case "permissions":
			d.Permissions = v
		case "auditContext":
			for o := objectIn(v); ; {
				key, v, ok := o.next()
				if !ok {
					break
				}
				if key == "additionalAuditContext" {
					d.QueryExecutionID = queryIDIn(stringIn(v))
				}
			}
		}
	}
	if d.QueryExecutionID == "" || d.Table == "" {
		return DropLakeFormation
	}
	for o := objectIn(r.AdditionalEventData); ; {
		key, v, ok := o.next()
		if !ok {
			break
		}
		if key == "lakeFormationPrincipal" {
			set(&d.Principal, v)
		}
	}
	f.DataAccess = append(f.DataAccess, d)
	f.size += 400
	return ""
}

// queryIDIn finds the id in Lake Formation's additionalAuditContext, which
// reads {queryId: 1111-...}: JSON but for its missing quotes.
func queryIDIn(context string) string {
	_, rest, ok := strings.Cut(context, "queryId")
	if !ok {
		return ""
	}
	rest = strings.TrimLeft(rest, `"': =`)
	end := strings.IndexFunc(rest, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '-')
	})
	if end >= 0 {
		rest = rest[:end]
	}
	return rest
}
