package lake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// derivedWithKey is the key of a table file's metadata that says what the rows
// were derived with.
const derivedWithKey = "athenatrail.derived_with"

// tailBytes is how much of a table file is read for its metadata; footers are
// smaller, but for large files.
const tailBytes = 64 << 10

var (
	// ErrChanged says that a table's file was written since it was looked at.
	ErrChanged = errors.New("the file was written by somebody else meanwhile")

	// ErrOrder says that rows of a table do not come in the order of their
	// keys, or that two have one key.
	ErrOrder = errors.New("rows are not in the order of their keys")
)

// A Table is a kind of row that is derived from facts: [QueryExecutions] and
// its like. Its open files hold rows in the order of their keys.
type Table[T any] struct {
	name   string
	format *rowfile.Format[T]
	key    func(a, b *T) int
	home   func(row *T) (account, region string)

	// In closed files the rows of an account and region are ordered by person,
	// then by time, then by key: most questions are about few people, and what
	// is known of a person is the same in many rows, which then takes next to
	// no room. Without person, the order is that of the keys.
	person func(row *T) string
	at     func(row *T) time.Time

	// day returns the time whose UTC day a row must lie on, if it tells one.
	day func(row *T) (t time.Time, known bool)
}

// Name returns the table's name.
func (t *Table[T]) Name() string { return t.name }

func (t *Table[T]) dir() string { return "tables/" + t.name + "_open/" }

// Sorted yields rows in the order that [WriteTable] wants. It sorts pointers,
// since rows are large.
func (t *Table[T]) Sorted(rows []T) iter.Seq2[*T, error] {
	sorted := make([]*T, len(rows))
	for i := range rows {
		sorted[i] = &rows[i]
	}
	slices.SortFunc(sorted, t.key)
	return func(yield func(*T, error) bool) {
		for _, row := range sorted {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// whoColumns are the columns of Who and Where that have few different values.
var whoColumns = []string{
	"person", "person_source", "person_trust", "person_kind", "team", "principal_type", "principal_arn", "principal_id",
	"role_name", "role_session_name", "source_identity", "identity_center_user_id", "invoked_by",
	"tool", "source_ip", "user_agent", "vpc_endpoint_id", "account_id", "region_name", "work_group_name",
}

// The tables, with the order of their rows.
var (
	// QueryExecutions are ordered by query execution id, those without one by
	// event id.
	QueryExecutions = &Table[athenatrail.QueryExecution]{
		name: "query_executions",
		format: &rowfile.Format[athenatrail.QueryExecution]{
			Dictionary: append([]string{
				"gap", "catalog_name", "database_name", "statement_type", "substatement_type", "text_dt", "tables_source",
				"state", "error_code", "currency", "cost_basis", "engine_version",
			}, whoColumns...),
			DictionaryOfSmall: []string{"text_hash", "query_fingerprint"},
			Bloom:             []string{"query_execution_id"},
			Blobs:             []string{"state_change_reason", "error_message"},
			Size: func(q *athenatrail.QueryExecution) int {
				return 1000 + len(q.UserAgent) + len(q.StateChangeReason) + len(q.ErrorMessage) + 32*(len(q.TablesAccessed)+len(q.DatabasesAccessed))
			},
		},
		key: func(a, b *athenatrail.QueryExecution) int {
			return cmp.Or(strings.Compare(a.QueryExecutionID, b.QueryExecutionID), strings.Compare(a.EventID, b.EventID))
		},
		home: func(q *athenatrail.QueryExecution) (string, string) { return q.AccountID, q.RegionName },
		// Submission may lie on the other side of midnight than the event.
		day:    func(*athenatrail.QueryExecution) (time.Time, bool) { return time.Time{}, false },
		person: func(q *athenatrail.QueryExecution) string { return q.Person },
		at:     func(q *athenatrail.QueryExecution) time.Time { return q.SubmissionDateTime },
	}

	// Activity is ordered as the events are, by event id, then query
	// execution id.
	Activity = &Table[athenatrail.Activity]{
		name: "activity",
		format: &rowfile.Format[athenatrail.Activity]{
			Dictionary: append([]string{"event_name", "error_code"}, whoColumns...),
			Blobs:      []string{"request_parameters", "response_elements", "error_message"},
			Size: func(a *athenatrail.Activity) int {
				return 600 + len(a.UserAgent) + len(a.ErrorMessage) + len(a.RequestParameters) + len(a.ResponseElements)
			},
		},
		key: func(a, b *athenatrail.Activity) int {
			return cmp.Or(strings.Compare(a.EventID, b.EventID), strings.Compare(a.QueryExecutionID, b.QueryExecutionID))
		},
		home:   func(a *athenatrail.Activity) (string, string) { return a.AccountID, a.RegionName },
		day:    func(a *athenatrail.Activity) (time.Time, bool) { return a.EventTime, true },
		person: func(a *athenatrail.Activity) string { return a.Person },
		at:     func(a *athenatrail.Activity) time.Time { return a.EventTime },
	}

	// Sessions are ordered by session id, those without one by event id.
	Sessions = &Table[athenatrail.Session]{
		name: "sessions",
		format: &rowfile.Format[athenatrail.Session]{
			Dictionary: append([]string{"gap", "state", "error_code", "currency", "cost_basis", "engine_version", "execution_role"}, whoColumns...),
			Size: func(s *athenatrail.Session) int {
				return 1000 + len(s.UserAgent) + len(s.Description) + len(s.StateChangeReason) + len(s.ErrorMessage)
			},
		},
		key: func(a, b *athenatrail.Session) int {
			return cmp.Or(strings.Compare(a.SessionID, b.SessionID), strings.Compare(a.EventID, b.EventID))
		},
		home:   func(s *athenatrail.Session) (string, string) { return s.AccountID, s.RegionName },
		day:    func(*athenatrail.Session) (time.Time, bool) { return time.Time{}, false },
		person: func(s *athenatrail.Session) string { return s.Person },
		at:     func(s *athenatrail.Session) time.Time { return s.StartedAt },
	}

	// Calculations are ordered by calculation execution id, those without one
	// by event id.
	Calculations = &Table[athenatrail.Calculation]{
		name: "calculations",
		format: &rowfile.Format[athenatrail.Calculation]{
			Dictionary: append([]string{"gap", "session_id", "notebook_id", "state", "error_code", "currency"}, whoColumns...),
			Size: func(c *athenatrail.Calculation) int {
				return 1000 + len(c.UserAgent) + len(c.Description) + len(c.StateChangeReason) + len(c.ErrorMessage)
			},
		},
		key: func(a, b *athenatrail.Calculation) int {
			return cmp.Or(strings.Compare(a.CalculationExecutionID, b.CalculationExecutionID), strings.Compare(a.EventID, b.EventID))
		},
		home:   func(c *athenatrail.Calculation) (string, string) { return c.AccountID, c.RegionName },
		day:    func(*athenatrail.Calculation) (time.Time, bool) { return time.Time{}, false },
		person: func(c *athenatrail.Calculation) string { return c.Person },
		at:     func(c *athenatrail.Calculation) time.Time { return c.SubmittedAt },
	}

	// UsageRollup is ordered by the fields of its key, from slot to own.
	UsageRollup = &Table[athenatrail.UsageRollup]{
		name: "usage_rollup",
		format: &rowfile.Format[athenatrail.UsageRollup]{
			Dictionary: usageColumns,
			Size:       func(*athenatrail.UsageRollup) int { return 700 },
		},
		key:    func(a, b *athenatrail.UsageRollup) int { return a.UsageKey.Compare(&b.UsageKey) },
		home:   func(u *athenatrail.UsageRollup) (string, string) { return u.AccountID, u.RegionName },
		day:    func(u *athenatrail.UsageRollup) (time.Time, bool) { return u.Slot, true },
		person: func(u *athenatrail.UsageRollup) string { return u.Person },
		at:     func(u *athenatrail.UsageRollup) time.Time { return u.Slot },
	}

	// TableRollup is ordered by table, then as UsageRollup is.
	TableRollup = &Table[athenatrail.TableRollup]{
		name: "table_rollup",
		format: &rowfile.Format[athenatrail.TableRollup]{
			Dictionary: append([]string{"table_name"}, usageColumns...),
			Size:       func(*athenatrail.TableRollup) int { return 800 },
		},
		key:  func(a, b *athenatrail.TableRollup) int { return a.Compare(b) },
		home: func(u *athenatrail.TableRollup) (string, string) { return u.AccountID, u.RegionName },
		day:  func(u *athenatrail.TableRollup) (time.Time, bool) { return u.Slot, true },
		// In closed files as well: who uses a table is what it is asked.
	}
)

// usageColumns are the columns of roll-ups that have few different values.
var usageColumns = []string{
	"kind", "person", "person_kind", "person_source", "team", "role_name", "account_id", "region_name",
	"work_group_name", "tool", "database_name", "state", "gap", "cost_basis", "currency",
}

// encode returns the file of rows, or nil if there are none.
func (t *Table[T]) encode(ctx context.Context, p athenatrail.Partition, rows iter.Seq2[*T, error], derivedWith string) ([]byte, error) {
	var out bytes.Buffer
	w := t.format.NewWriter(&out, [2]string{derivedWithKey, derivedWith})
	var last T
	n := 0
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if clean := *row; t.format.Clean(&clean) {
			row = &clean
		}
		if account, region := t.home(row); account != p.Account || region != p.Region {
			return nil, fmt.Errorf("row %d: %w: it is of %q in %q", n, ErrWrongPartition, account, region)
		}
		if day, known := t.day(row); known && athenatrail.DateOf(day) != p.Date {
			return nil, fmt.Errorf("row %d: %w: its time is %s", n, ErrWrongPartition, day.UTC().Format(time.RFC3339))
		}
		if n > 1 && t.key(&last, row) >= 0 {
			return nil, fmt.Errorf("row %d: %w", n, ErrOrder)
		}
		last = *row
		if err := w.Write(row); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		return nil, nil
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ReadTable returns the rows of partition p in a table; nothing if there are
// none. Those of an open day come in the order of their keys, those of a closed
// day in that of closed files. Each row is the caller's to keep. An error is
// the last thing yielded.
func ReadTable[T any](ctx context.Context, l *Lake, t *Table[T], p athenatrail.Partition) iter.Seq2[*T, error] {
	return readRows[T](ctx, l, t, p)
}

// DerivedWith returns what the rows of partition p in a table were derived
// with, or "" if there are none. It reads the end of the file only.
func DerivedWith(ctx context.Context, l *Lake, table Dataset, p athenatrail.Partition) (string, error) {
	with, err := derivedWith(ctx, l, table, p)
	if err != nil {
		return "", fmt.Errorf("read %s of %s: %w", table.Name(), p, err)
	}
	return with, nil
}

func derivedWith(ctx context.Context, l *Lake, table Dataset, p athenatrail.Partition) (string, error) {
	if err := checkPartition(p); err != nil {
		return "", err
	}
	if t, ok := table.(closedTable); ok {
		b, err := l.recentBoundary(ctx)
		if err != nil {
			return "", err
		}
		if b.IsClosed(p.Date) {
			d, err := readClosedDay(ctx, l, t, p.Date)
			if err != nil {
				return "", err
			}
			_, s, _, _ := d.find(p)
			return s.with, nil
		}
	}
	with, err := metadata(ctx, l, fileKey(table.dir(), p), derivedWithKey)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return with, err
}
