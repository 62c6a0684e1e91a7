package enforce

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/standing"
)

// Kinds of principals that can be blocked.
const (
	kindRole = "role"
	kindUser = "user"
)

// common are the columns that are read of query executions and of sessions.
type common struct {
	AccountID  string `parquet:"account_id"`
	RegionName string `parquet:"region_name"`
	EventID    string `parquet:"event_id,optional"`
	Gap        string `parquet:"gap,optional"`

	athenatrail.Who

	Tool          string `parquet:"tool,optional"`
	WorkGroupName string `parquet:"work_group_name,optional"`
	State         string `parquet:"state,optional"`
}

// An execution is what is read of query_executions.
type execution struct {
	common

	QueryExecutionID   string             `parquet:"query_execution_id,optional"`
	DatabaseName       string             `parquet:"database_name,optional"`
	TablesAccessed     []string           `parquet:"tables_accessed,optional,list"`
	Probe              bool               `parquet:"probe"`
	Own                bool               `parquet:"own"`
	SubmissionDateTime time.Time          `parquet:"submission_date_time,timestamp(millisecond:local)"`
	DataScannedBytes   *int64             `parquet:"data_scanned_bytes,optional"`
	Cost               *athenatrail.Money `parquet:"cost,optional,decimal(9:18)"`
	Currency           string             `parquet:"currency,optional"`
	TotalMillis        *int64             `parquet:"total_ms,optional"`
}

// A session is what is read of sessions.
type session struct {
	common

	SessionID string    `parquet:"session_id,optional"`
	StartedAt time.Time `parquet:"started_at,timestamp(millisecond:local)"`
	EndedAt   time.Time `parquet:"ended_at,optional,timestamp(millisecond:local)"`
}

// A row is one of either.
type row struct {
	execution
	spark   bool
	session string // id
	ended   bool
}

// key returns the row as roll-ups have it.
func (r *row) key() athenatrail.UsageKey {
	kind := athenatrail.UsageSQL
	if r.spark {
		kind = athenatrail.UsageSpark
	}
	return athenatrail.UsageKey{
		Slot: r.SubmissionDateTime.Truncate(athenatrail.SlotLength), Kind: kind,
		Person: r.Person, PersonKind: r.PersonKind, PersonSource: r.PersonSource, Team: r.Team, RoleName: r.RoleName,
		AccountID: r.AccountID, RegionName: r.RegionName, WorkGroupName: r.WorkGroupName, Tool: r.Tool, DatabaseName: r.DatabaseName,
		State: r.State, Gap: r.Gap, Probe: r.Probe, Own: r.Own,
	}
}

// runs tells whether a query execution or session may still run, as far as the
// lake knows.
func (r *row) runs() bool {
	if r.Gap != athenatrail.GapPending && r.Gap != athenatrail.GapNoDetail {
		return false
	}
	if r.spark {
		return r.session != "" && !r.ended && r.State != "TERMINATED" && r.State != "FAILED"
	}
	return r.QueryExecutionID != ""
}

// A Query is one that a subject ran, for those who are told.
type Query struct {
	ID       string
	Account  string
	Region   string
	Person   string
	At       time.Time
	Bytes    *int64
	Cost     *athenatrail.Money
	Currency string
	Millis   *int64
}

// topQueries is how many of the queries that cost most people are told of.
const topQueries = 3

// found is what is behind a subject of a limit.
type found struct {
	running    []running
	principals map[standing.Principal]*who
	top        []Query // that cost most, then scanned most
}

// A running thing is a query execution or Spark session that is to be stopped.
type running struct {
	spark               bool
	account, region, id string
	by                  who
}

// who is behind a principal, or why nothing is done to it.
type who struct {
	person string
	spare  string // why; empty: it may be acted upon
}

// mostPrincipals bounds how many principals of a subject are blocked: a policy
// has no room for more.
const mostPrincipals = 200

// searched is which of a lake's rows a run looks at.
type searched struct {
	limit   *limit.Limit
	picker  *limit.Picker
	from    time.Time // start of the window
	until   time.Time // before
	wanted  map[limit.Subject]*found
	recent  athenatrail.Date // days from which on what runs, and who, is looked for
	queries bool             // the top ones are wanted too
}

// recentDays is how far back it is looked for what still runs, and through
// whom. A query ends after four hours at most (service quotas, DML timeout);
// how long a session may last is not documented.
const recentDays = 8

// search reads the rows behind subjects.
func (r *run) search(ctx context.Context, list []*searched) error {
	if len(list) == 0 {
		return nil
	}
	first := athenatrail.DateOf(r.Moment.At)
	last := first
	for _, s := range list {
		day := s.recent
		if s.queries {
			day = min(day, athenatrail.DateOf(s.from))
		}
		first = min(first, day)
	}
	take := func(p athenatrail.Partition, x *row) {
		for _, s := range list {
			r.take(s, p, x)
		}
	}
	err := rows(ctx, r.Lake, lake.QueryExecutions, first, last, func(p athenatrail.Partition, e *execution) {
		take(p, &row{execution: *e})
	})
	if err == nil {
		err = rows(ctx, r.Lake, lake.Sessions, first, last, func(p athenatrail.Partition, s *session) {
			x := &row{execution: execution{common: s.common, SubmissionDateTime: s.StartedAt}, spark: true, session: s.SessionID, ended: !s.EndedAt.IsZero()}
			take(p, x)
		})
	}
	if err != nil {
		return fmt.Errorf("look for who is behind limits: %w", err)
	}
	return r.paths(ctx, list)
}

// rows calls do with the rows of a table from the first day to the last.
func rows[T any](ctx context.Context, l *lake.Lake, table lake.Dataset, first, last athenatrail.Date, do func(athenatrail.Partition, *T)) error {
	for file, err := range lake.Partitions(ctx, l, table, first, last+1) {
		if err != nil {
			return err
		}
		for x, err := range lake.ReadAs[T](ctx, l, table, file.Partition) {
			if err != nil {
				return err
			}
			do(file.Partition, x)
		}
	}
	return nil
}

// take adds a row to what is behind its subject.
func (r *run) take(s *searched, p athenatrail.Partition, x *row) {
	key := x.key()
	if key.Slot.Before(s.from) || !key.Slot.Before(s.until) {
		return // it counts for another window
	}
	subject, ok := s.picker.Pick(&key, x.TablesAccessed)
	f := s.wanted[subject]
	if !ok || f == nil {
		return
	}
	by := r.judge(s.limit, x)
	if x.runs() && p.Date >= s.recent {
		f.running = append(f.running, running{x.spark, x.AccountID, x.RegionName, cmp.Or(x.session, x.QueryExecutionID), by.stop})
	}
	if p.Date >= s.recent && by.principal != nil && len(f.principals) < mostPrincipals {
		pr := *by.principal
		if f.principals[pr] == nil {
			f.principals[pr] = &who{by.block.person, by.block.spare}
			if pr.Kind == kindRole && x.EventID != "" {
				r.events[place{p, x.EventID}] = true
			}
		}
	}
	if s.queries && x.QueryExecutionID != "" {
		f.top = append(f.top, Query{
			ID: x.QueryExecutionID, Account: x.AccountID, Region: x.RegionName, Person: x.Person, At: x.SubmissionDateTime,
			Bytes: x.DataScannedBytes, Cost: x.Cost, Currency: x.Currency, Millis: x.TotalMillis,
		})
		if len(f.top) > 50*topQueries {
			f.trim()
		}
	}
}

func (f *found) trim() {
	cost := func(q *Query) int64 {
		if q.Cost == nil {
			return -1
		}
		return int64(*q.Cost)
	}
	bytes := func(q *Query) int64 {
		if q.Bytes == nil {
			return -1
		}
		return *q.Bytes
	}
	slices.SortFunc(f.top, func(a, b Query) int {
		return cmp.Or(cmp.Compare(cost(&b), cost(&a)), cmp.Compare(bytes(&b), bytes(&a)), strings.Compare(a.ID, b.ID))
	})
	f.top = f.top[:min(len(f.top), topQueries)]
}

// A judgement is what may be done to who is behind a row.
type judgement struct {
	stop, block who
	principal   *standing.Principal // nil: there is none that can be blocked
}

// judge says what may be done about a row: nothing to the protected, nothing to
// athenatrail itself, nothing to what many use as one unless the limit allows
// it. A query of a person may be stopped whatever principal it came through; a
// principal may be blocked only where it is that person's alone.
func (r *run) judge(l *limit.Limit, x *row) (j judgement) {
	j.stop.person, j.block.person = x.Person, x.Person
	principal, noBlock := principalOf(x)
	arn := ""
	if principal != nil {
		arn = principal.ARN()
	}
	spare := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		j.stop.spare, j.block.spare = text, text
	}
	shared := isShared(x.PersonSource)
	switch by := r.Limits.Protected().By(x.Person, x.RoleName, accountOf(x), arn); {
	case by != "":
		spare("protected by %s", by)
	case r.own(x):
		spare("it is athenatrail itself")
	case shared && !l.AllowShared:
		spare("%s is not one person's: the limit does not say allow_shared", x.Person)
	case noBlock != "":
		j.block.spare = noBlock
	case x.PersonSource == athenatrail.SourceQueryComment && !l.AllowShared:
		j.block.spare = fmt.Sprintf("%s came through %s, which others use too: the limit does not say allow_shared", x.Person, principal)
	}
	if principal == nil && j.block.spare != "" {
		// It is told of once for each person.
		principal = &standing.Principal{Kind: x.PrincipalType, Name: x.Person}
	}
	if principal != nil && (shared || x.PersonSource == athenatrail.SourceQueryComment) && principal.Kind == kindRole {
		principal.Session, principal.SourceIdentity = "", "" // the role as a whole
	}
	j.principal = principal
	return j
}

// isShared tells whether a rung names what many use as one.
func isShared(source string) bool {
	switch source {
	case athenatrail.SourceRole, athenatrail.SourceService, athenatrail.SourceRootUser, athenatrail.SourceNone, "":
		return true
	}
	return false
}

// own tells whether a row is of the program's own principal.
func (r *run) own(x *row) bool {
	if x.PrincipalARN == "" {
		return false
	}
	if strings.EqualFold(x.PrincipalARN, r.Caller) {
		return true
	}
	for _, p := range r.Own {
		if p.Match(x.PrincipalARN) {
			return true
		}
	}
	return false
}

// accountOf returns the account that a row's principal belongs to.
func accountOf(x *row) string {
	if parts := strings.SplitN(x.PrincipalARN, ":", 6); len(parts) == 6 && parts[4] != "" {
		return parts[4]
	}
	return x.AccountID
}

// What comes out of a trail and gets into a call has the form that AWS gives it
// (API reference of IAM, RoleName and UserName; of Athena, WorkGroup).
var (
	partitionForm = regexp.MustCompile(`^aws(-[a-z]+)*$`)
	accountForm   = regexp.MustCompile(`^[0-9]{12}$`)
	nameForm      = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	groupForm     = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,128}$`)
)

// principalOf returns the principal of a row that a policy can block, or why
// there is none.
func principalOf(x *row) (*standing.Principal, string) {
	parts := strings.SplitN(x.PrincipalARN, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return nil, "its principal has no ARN"
	}
	p := &standing.Principal{Partition: parts[1], Account: parts[4]}
	kind, rest, _ := strings.Cut(parts[5], "/")
	if !partitionForm.MatchString(p.Partition) || !accountForm.MatchString(p.Account) {
		return nil, "the ARN of its principal is not one of AWS's"
	}
	switch {
	case parts[2] == "sts" && kind == "assumed-role":
		name, session, ok := strings.Cut(rest, "/")
		if !ok || session == "" || !nameForm.MatchString(name) {
			return nil, "the ARN of its principal has no session, or no name that IAM takes"
		}
		if x.PersonSource == athenatrail.SourceIdentityCenter && !strings.HasPrefix(name, "AWSReservedSSO_") {
			return nil, "it came through an application of Identity Center: there is no session of its own to block"
		}
		p.Kind, p.Name, p.Session = kindRole, name, session
		if x.PersonSource == athenatrail.SourceSourceIdentity {
			p.SourceIdentity = x.SourceIdentity
		}
		return p, ""
	case parts[2] == "iam" && kind == "user" && rest != "":
		at := strings.LastIndexByte(rest, '/')
		p.Kind, p.Name = kindUser, rest[at+1:]
		if at >= 0 {
			p.Path = "/" + rest[:at+1]
		}
		if !nameForm.MatchString(p.Name) {
			return nil, "the ARN of its principal has no name that IAM takes"
		}
		return p, ""
	case parts[2] == "iam" && parts[5] == "root":
		return nil, "the root user cannot be blocked"
	case kind == "federated-user":
		return nil, "a federated user cannot be blocked by itself: block the user who issued it"
	}
	return nil, "its principal is neither a role nor a user"
}

type place struct {
	athenatrail.Partition
	event string
}

// paths learns the paths of roles, which only the events tell, as their
// sessionIssuer. A role whose event is not there keeps none.
func (r *run) paths(ctx context.Context, list []*searched) error {
	events := map[athenatrail.Partition]map[string]bool{}
	for at := range r.events {
		if events[at.Partition] == nil {
			events[at.Partition] = map[string]bool{}
		}
		events[at.Partition][at.event] = true
	}
	clear(r.events)
	type role struct{ account, name string }
	paths := map[role]string{}
	for p, ids := range events {
		type event struct {
			ID     string `parquet:"event_id"`
			Record string `parquet:"record"`
		}
		for e, err := range lake.ReadAs[event](ctx, r.Lake, lake.Events, p) {
			if err != nil {
				return fmt.Errorf("look for the roles behind limits: %w", err)
			}
			if !ids[e.ID] {
				continue
			}
			var record struct {
				UserIdentity struct {
					SessionContext struct {
						SessionIssuer struct{ Type, ARN string }
					}
				}
			}
			if json.Unmarshal([]byte(e.Record), &record) != nil {
				continue
			}
			parts := strings.SplitN(record.UserIdentity.SessionContext.SessionIssuer.ARN, ":", 6)
			if len(parts) != 6 {
				continue
			}
			if kind, rest, _ := strings.Cut(parts[5], "/"); kind == kindRole {
				if at := strings.LastIndexByte(rest, '/'); at >= 0 {
					paths[role{parts[4], rest[at+1:]}] = "/" + rest[:at+1]
				}
			}
		}
	}
	for _, s := range list {
		for _, f := range s.wanted {
			with := map[standing.Principal]*who{}
			for p, w := range f.principals {
				if path, ok := paths[role{p.Account, p.Name}]; ok && p.Kind == kindRole {
					p.Path = path
					if by := r.Limits.Protected().By(w.person, p.Name, p.Account, p.ARN()); by != "" && w.spare == "" {
						w.spare = "protected by " + by
					}
				}
				with[p] = w
			}
			f.principals = with
		}
	}
	return nil
}
