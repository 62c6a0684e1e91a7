package lake

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// The facts. Of two rows with one key: an event's addendum that updates it
// stays, else the longer record, then the greater in bytes. Rows are functions
// of one record, so the comparison of what is left after that only serves to
// make the order total.
var (
	Events = &Fact[athenatrail.Event]{
		name: "events",
		format: &rowfile.Format[athenatrail.Event]{
			LongPages:  true,
			Dictionary: []string{"event_name"},
			Bloom:      []string{"query_execution_id"},
			Blobs:      []string{"record"},
			Size:       func(e *athenatrail.Event) int { return len(e.Record) + 200 },
		},
		key: func(a, b *athenatrail.Event) int {
			return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.QueryExecutionID, b.QueryExecutionID))
		},
		better: func(a, b *athenatrail.Event) int {
			return cmp.Or(
				compareBools(a.Updated, b.Updated),
				longer(a.Record, b.Record),
				compareTimes(a.Time, b.Time),
				strings.Compare(a.Name, b.Name),
				strings.Compare(a.SessionID, b.SessionID),
				strings.Compare(a.AccessKeyHash, b.AccessKeyHash),
				strings.Compare(a.SharedEventID, b.SharedEventID),
				strings.Compare(a.TextHash, b.TextHash),
			)
		},
		home: func(e *athenatrail.Event) *athenatrail.Partition { return &e.Home },
		day:  func(e *athenatrail.Event) (time.Time, bool) { return e.Time, true },
	}

	SessionEvents = &Fact[athenatrail.SessionEvent]{
		name: "session_events",
		format: &rowfile.Format[athenatrail.SessionEvent]{
			LongPages:  true,
			Dictionary: []string{"event_name"},
			Blobs:      []string{"record"},
			Size:       func(e *athenatrail.SessionEvent) int { return len(e.Record) + 200 },
		},
		key: func(a, b *athenatrail.SessionEvent) int {
			return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.SessionID, b.SessionID))
		},
		better: func(a, b *athenatrail.SessionEvent) int {
			return cmp.Or(
				compareBools(a.Updated, b.Updated),
				longer(a.Record, b.Record),
				compareTimes(a.Time, b.Time),
				strings.Compare(a.Name, b.Name),
			)
		},
		home: func(e *athenatrail.SessionEvent) *athenatrail.Partition { return &e.Home },
		day:  func(e *athenatrail.SessionEvent) (time.Time, bool) { return e.Time, true },
	}

	// Details: an answer beats none, a final answer one that may change, and
	// of failures the one that says more.
	Details = &Fact[athenatrail.Detail]{
		name: "details",
		format: &rowfile.Format[athenatrail.Detail]{
			LongPages:  true,
			Dictionary: []string{"kind", "outcome", "state"},
			Blobs:      []string{"answer"},
			Size:       func(d *athenatrail.Detail) int { return len(d.Answer) + len(d.Message) + 200 },
		},
		key: func(a, b *athenatrail.Detail) int {
			return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
		},
		better: func(a, b *athenatrail.Detail) int {
			return cmp.Or(
				cmp.Compare(outcomeRank(a), outcomeRank(b)),
				longer(a.Answer, b.Answer),
				longer(a.Message, b.Message),
				strings.Compare(a.Outcome, b.Outcome),
				strings.Compare(a.State, b.State),
				compareBools(a.Final, b.Final),
				compareTimes(a.SubmittedAt, b.SubmittedAt),
				longer(a.TextHash, b.TextHash),
			)
		},
		home: func(d *athenatrail.Detail) *athenatrail.Partition { return &d.Home },
		day:  func(d *athenatrail.Detail) (time.Time, bool) { return d.SubmittedAt, !d.SubmittedAt.IsZero() },
	}

	// QueryTexts: the same hash is the same text, so what differs is how much
	// of a text's row was kept.
	QueryTexts = &Fact[athenatrail.QueryText]{
		name: "query_texts",
		format: &rowfile.Format[athenatrail.QueryText]{
			LongPages: true,
			Blobs:     []string{"query_string", "comment"},
			Size: func(q *athenatrail.QueryText) int {
				return len(q.QueryString) + len(q.Comment) + 32*(len(q.Tables)+len(q.TablesWritten)) + 150
			},
		},
		key: func(a, b *athenatrail.QueryText) int { return strings.Compare(a.TextHash, b.TextHash) },
		better: func(a, b *athenatrail.QueryText) int {
			return cmp.Or(
				longer(a.QueryString, b.QueryString),
				longer(a.Fingerprint, b.Fingerprint),
				cmp.Compare(len(a.Tables), len(b.Tables)),
				compareBools(a.Tables != nil, b.Tables != nil),
				slices.Compare(a.Tables, b.Tables),
				cmp.Compare(len(a.TablesWritten), len(b.TablesWritten)),
				compareBools(a.TablesWritten != nil, b.TablesWritten != nil),
				slices.Compare(a.TablesWritten, b.TablesWritten),
				longer(a.Comment, b.Comment),
				comparePointers(a.Probe, b.Probe),
			)
		},
		home: func(q *athenatrail.QueryText) *athenatrail.Partition { return &q.Home },
		day:  func(*athenatrail.QueryText) (time.Time, bool) { return time.Time{}, false },
	}

	// RoleSessions: the issue recorded first stays.
	RoleSessions = &Fact[athenatrail.RoleSession]{
		name: "role_sessions",
		format: &rowfile.Format[athenatrail.RoleSession]{
			Dictionary: []string{"event_name", "role_arn"},
			Blobs:      []string{"caller"},
			Size:       func(r *athenatrail.RoleSession) int { return len(r.Caller) + 400 },
		},
		key: func(a, b *athenatrail.RoleSession) int { return strings.Compare(a.AccessKeyHash, b.AccessKeyHash) },
		better: func(a, b *athenatrail.RoleSession) int {
			return cmp.Or(
				compareTimes(b.Issued, a.Issued),
				strings.Compare(b.EventID, a.EventID),
				longer(a.Caller, b.Caller),
				strings.Compare(a.EventName, b.EventName),
				compareTimes(a.Expires, b.Expires),
				strings.Compare(a.RoleARN, b.RoleARN),
				strings.Compare(a.RoleSessionName, b.RoleSessionName),
				strings.Compare(a.SourceIdentity, b.SourceIdentity),
				strings.Compare(a.CallerKeyHash, b.CallerKeyHash),
				strings.Compare(a.SourceIP, b.SourceIP),
				strings.Compare(a.UserAgent, b.UserAgent),
			)
		},
		home: func(r *athenatrail.RoleSession) *athenatrail.Partition { return &r.Home },
		day:  func(r *athenatrail.RoleSession) (time.Time, bool) { return r.Issued, true },
	}

	DataAccess = &Fact[athenatrail.DataAccess]{
		name:   "data_access",
		format: &rowfile.Format[athenatrail.DataAccess]{Dictionary: []string{"table_arn", "principal", "permissions"}},
		key: func(a, b *athenatrail.DataAccess) int {
			return cmp.Or(
				strings.Compare(a.QueryExecutionID, b.QueryExecutionID),
				strings.Compare(a.Table, b.Table),
				strings.Compare(a.EventID, b.EventID),
			)
		},
		better: func(a, b *athenatrail.DataAccess) int {
			return cmp.Or(
				compareTimes(b.Time, a.Time),
				longer(a.Principal, b.Principal),
				longer(a.Permissions, b.Permissions),
			)
		},
		home: func(d *athenatrail.DataAccess) *athenatrail.Partition { return &d.Home },
		day:  func(d *athenatrail.DataAccess) (time.Time, bool) { return d.Time, true },
	}

	// Notices are changed by who sends them, one after the other: what is over
	// stays, else what was tried more often, and of the same tries what came
	// of it.
	Notices = &Fact[athenatrail.Notice]{
		name: "notices",
		format: &rowfile.Format[athenatrail.Notice]{
			Dictionary: []string{"channel", "kind", "state"},
			Blobs:      []string{"message"},
			Size:       func(n *athenatrail.Notice) int { return len(n.Message) + 300 },
		},
		key: func(a, b *athenatrail.Notice) int {
			return cmp.Or(strings.Compare(a.MessageKey, b.MessageKey), strings.Compare(a.Channel, b.Channel))
		},
		better: func(a, b *athenatrail.Notice) int {
			return cmp.Or(
				cmp.Compare(noticeRank(a), noticeRank(b)),
				cmp.Compare(a.Attempts, b.Attempts),
				compareBools(a.State == athenatrail.NoticeWaiting, b.State == athenatrail.NoticeWaiting),
				compareTimes(b.Queued, a.Queued),
				compareTimes(a.Sent, b.Sent),
				compareTimes(a.Claimed, b.Claimed),
				compareTimes(a.First, b.First),
				compareTimes(a.NotUntil, b.NotUntil),
				compareTimes(a.About, b.About),
				longer(a.Message, b.Message),
				strings.Compare(a.Claimant, b.Claimant),
				strings.Compare(a.Error, b.Error),
				strings.Compare(a.Recipient, b.Recipient),
				strings.Compare(a.Kind, b.Kind),
				strings.Compare(a.Person, b.Person),
				strings.Compare(a.Team, b.Team),
				strings.Compare(a.SubjectKind, b.SubjectKind),
				strings.Compare(a.Subject, b.Subject),
				strings.Compare(a.LimitName, b.LimitName),
			)
		},
		home: func(n *athenatrail.Notice) *athenatrail.Partition { return &n.Home },
		day:  func(n *athenatrail.Notice) (time.Time, bool) { return n.About, true },
	}

	References = references("reference")

	// Catalog holds the references of tables and grants. No table of the lake
	// derives from them, and they are many, so that they lie apart from what
	// every run reads.
	Catalog = references("catalog")

	// BillLines: of two exports of a month, the one that goes further stays,
	// else the later one.
	BillLines = &Fact[athenatrail.BillLine]{
		name:   "bill",
		format: &rowfile.Format[athenatrail.BillLine]{Dictionary: []string{"kind", "line_type", "currency"}},
		key: func(a, b *athenatrail.BillLine) int {
			return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.LineType, b.LineType))
		},
		better: func(a, b *athenatrail.BillLine) int {
			return cmp.Or(
				compareTimes(a.Through, b.Through),
				compareTimes(a.Exported, b.Exported),
				cmp.Compare(a.Cost, b.Cost),
				cmp.Compare(a.Quantity, b.Quantity),
				strings.Compare(a.Currency, b.Currency),
			)
		},
		home: func(b *athenatrail.BillLine) *athenatrail.Partition { return &b.Home },
		day:  func(*athenatrail.BillLine) (time.Time, bool) { return time.Time{}, false },
	}

	// LimitActions: of one attempt, what came of it stays over that it was
	// begun.
	LimitActions = &Fact[athenatrail.LimitAction]{
		name: "limit_actions",
		format: &rowfile.Format[athenatrail.LimitAction]{
			Dictionary: []string{"run_id", "limit_name", "mode", "subject_kind", "unit", "action", "operation", "outcome"},
			Size:       func(a *athenatrail.LimitAction) int { return len(a.Message) + len(a.Target) + 500 },
		},
		key: func(a, b *athenatrail.LimitAction) int {
			return cmp.Or(strings.Compare(a.ID, b.ID), cmp.Compare(a.Attempt, b.Attempt))
		},
		better: func(a, b *athenatrail.LimitAction) int {
			return cmp.Or(
				cmp.Compare(actionRank(a), actionRank(b)),
				compareTimes(b.Time, a.Time),
				strings.Compare(a.RunID, b.RunID),
				longer(a.Message, b.Message),
				longer(a.Target, b.Target),
				longer(a.Operation, b.Operation),
				strings.Compare(a.LimitName, b.LimitName),
				strings.Compare(a.Mode, b.Mode),
				strings.Compare(a.SubjectKind, b.SubjectKind),
				longer(a.Subject, b.Subject),
				longer(a.Person, b.Person),
				compareTimes(a.WindowStart, b.WindowStart),
				compareTimes(a.WindowEnd, b.WindowEnd),
				strings.Compare(a.Threshold, b.Threshold),
				cmp.Compare(a.Used, b.Used),
				cmp.Compare(a.Allowed, b.Allowed),
				strings.Compare(a.Unit, b.Unit),
				strings.Compare(a.Action, b.Action),
				strings.Compare(a.Outcome, b.Outcome),
				compareTimes(a.Until, b.Until),
				longer(a.Reason, b.Reason),
				longer(a.LiftedBy, b.LiftedBy),
			)
		},
		home: func(a *athenatrail.LimitAction) *athenatrail.Partition { return &a.Home },
		day:  func(a *athenatrail.LimitAction) (time.Time, bool) { return a.Time, true },
	}
)

// actionRank orders what may be known of an attempt.
func actionRank(a *athenatrail.LimitAction) int {
	return slices.Index([]string{athenatrail.OutcomeBegun, athenatrail.OutcomeFailed, athenatrail.OutcomeSkipped, athenatrail.OutcomeDone}, a.Outcome)
}

func references(name string) *Fact[athenatrail.Reference] {
	return &Fact[athenatrail.Reference]{
		name: name,
		format: &rowfile.Format[athenatrail.Reference]{
			Dictionary: []string{"kind"},
			Blobs:      []string{"answer"},
			Size:       func(r *athenatrail.Reference) int { return len(r.Answer) + 100 },
		},
		key: func(a, b *athenatrail.Reference) int {
			return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
		},
		better: func(a, b *athenatrail.Reference) int { return longer(a.Answer, b.Answer) },
		home:   func(r *athenatrail.Reference) *athenatrail.Partition { return &r.Home },
		day:    func(*athenatrail.Reference) (time.Time, bool) { return time.Time{}, false },
	}
}

// noticeRank orders what is open, given up and sent.
func noticeRank(n *athenatrail.Notice) int {
	switch n.State {
	case athenatrail.NoticeSent:
		return 2
	case athenatrail.NoticeGivenUp:
		return 1
	}
	return 0
}

// outcomeRank orders what may be known of an id, by how much that is.
func outcomeRank(d *athenatrail.Detail) int {
	switch d.Outcome {
	case athenatrail.OutcomeAnswered:
		if d.Final {
			return 7
		}
		return 6
	case athenatrail.OutcomeTooOld:
		return 5
	case athenatrail.OutcomeNotFound:
		return 4
	case athenatrail.OutcomeUnprocessed:
		return 3
	case athenatrail.OutcomeDenied:
		return 2
	case athenatrail.OutcomeNoRole:
		return 1
	}
	return 0
}

// longer orders texts by length, then by bytes.
func longer(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// compareTimes orders times as they are stored, in milliseconds.
func compareTimes(a, b time.Time) int {
	return cmp.Compare(a.UnixMilli(), b.UnixMilli())
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// comparePointers orders unknown, false, true.
func comparePointers(a, b *bool) int {
	rank := func(p *bool) int {
		switch {
		case p == nil:
			return 0
		case !*p:
			return 1
		}
		return 2
	}
	return cmp.Compare(rank(a), rank(b))
}
