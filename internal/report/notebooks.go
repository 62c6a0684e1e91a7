package report

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail/internal/format"
)

// sparkDays is how many days from the window the rows of a session may lie that
// began or ended in it: a session is followed for seven days.
const sparkDays = 8

var (
	sessionID    = format.Column{Name: "session_id", Title: "session", Kind: format.ID}
	notebookName = format.Column{Name: "notebook_name", Title: "notebook", Kind: format.Text, Help: "the newest name that the trail tells of"}
	notebookID   = format.Column{Name: "notebook_id", Kind: format.ID, Help: "empty for Spark 3.5, which has no notebooks"}
	reason       = format.Column{Name: "reason", Kind: format.Text, Help: "why it failed or ended, as Athena says; of a call that was refused, its error"}
	sourceIP     = format.Column{Name: "source_ip", Title: "from", Kind: format.Text}
	eventID      = format.Column{Name: "event_id", Title: "event", Kind: format.ID}
)

// A timelineRow names the columns by which a notebook's timeline can be cut.
type timelineRow struct {
	What                   string `parquet:"what"`
	Person                 string `parquet:"person"`
	PersonKind             string `parquet:"person_kind"`
	PersonSource           string `parquet:"person_source"`
	Team                   string `parquet:"team"`
	SourceIP               string `parquet:"source_ip"`
	Tool                   string `parquet:"tool"`
	UserAgent              string `parquet:"user_agent"`
	Console                bool   `parquet:"console"`
	SessionID              string `parquet:"session_id"`
	CalculationExecutionID string `parquet:"calculation_execution_id"`
	ErrorCode              string `parquet:"error_code"`
	PrincipalARN           string `parquet:"principal_arn"`
	EventName              string `parquet:"event_name"`
	AccountID              string `parquet:"account_id"`
	RegionName             string `parquet:"region_name"`
}

func sparkViews() []View {
	text := func(name, title, help string) format.Column {
		return format.Column{Name: name, Title: title, Kind: format.Text, Help: help}
	}
	return []View{
		{
			Name: "notebooks", Summary: "sessions of Athena for Apache Spark: whose, how long, how idle, what they cost",
			Columns: columns(format.Column{Name: "started_at", Title: "started", Kind: format.Time}, sessionID, person, wide(personKind), wide(personSource), wide(team),
				notebookName, wide(notebookID), wide(workGroup), wide(account), wide(region),
				wide(format.Column{Name: "ended_at", Title: "ended", Kind: format.Time}),
				text("ended_by", "ended by", "who called TerminateSession; (timeout) where it ended without such a call in the lake"), state, wide(reason),
				format.Column{Name: "took_ms", Title: "took", Kind: format.Millis, Help: "from its start to its end; empty while it goes on"},
				format.Column{Name: "idle_ms", Title: "idle", Kind: format.Millis, Help: "the part of that in which no calculation ran; of Spark 3.5, since when Athena calls it idle"},
				wide(format.Column{Name: "idle_end_ms", Title: "idle at the end", Kind: format.Millis, Help: "how long nothing had run when it ended, or until now where it goes on"}),
				format.Column{Name: "calculations", Title: "cells", Kind: format.Count, Help: "calculations that the lake knows; Spark 3.5 shows none"},
				format.Column{Name: "failed_calculations", Title: "failed", Kind: format.Count},
				dpuTime, cost, currency,
				wide(format.Column{Name: "idle_dpu_ms", Title: "idle DPU time", Kind: format.Millis, Help: "the part of dpu_ms that no calculation used"}),
				format.Column{Name: "idle_cost", Title: "of it idle", Kind: format.Money, Help: "the part of the cost that no calculation used"},
				wide(text("cost_basis", "", "")), wide(text("execution_role", "", "the role that its code runs in")), wide(text("engine_version", "", "")),
				wide(format.Column{Name: "idle_timeout_minutes", Title: "timeout", Kind: format.Number, Help: "idle minutes after which Athena ends it"}),
				wide(tool), wide(sourceIP), wide(gap), wide(eventID)),
			source: "sessions", Limit: manyRows,
		},
		{
			Name: "calculations", Summary: "cells and other code that Spark sessions ran, newest first",
			Columns: columns(format.Column{Name: "submitted_at", Title: "submitted", Kind: format.Time},
				format.Column{Name: "calculation_execution_id", Title: "id", Kind: format.ID}, person, wide(personKind), wide(personSource), wide(team),
				sessionID, notebookName, wide(notebookID), wide(workGroup), wide(account), wide(region),
				format.Column{Name: "took_ms", Title: "took", Kind: format.Millis}, state, wide(text("progress", "", "")), wide(reason),
				wide(text("stopped_by", "", "who called StopCalculationExecution")), dpuTime,
				format.Column{Name: "cost_share", Title: "share of cost", Kind: format.Money, Help: "its part of the session's cost, never to be added to it"}, currency,
				text("description", "", "as the caller gave it; the code itself is never fetched"),
				wide(text("principal_arn", "", "who signed the call: of a notebook's cell, the execution role")), wide(sourceIP), wide(gap), wide(eventID)),
			source: "calculations", Limit: manyRows,
		},
		{
			Name: "notebook-activity", Argument: "NOTEBOOK", Summary: "what was done with one notebook, and by whom: its id, its name, or how its id begins",
			Columns: columns(format.Column{Name: "event_time", Title: "time", Kind: format.Time},
				text("what", "", "created, imported, opened, session started, cell run, saved, renamed, exported, session ended, deleted and the like"),
				text("detail", "", "of a cell its description and state, of a notebook its name, of a session the role asked for, of a query its id"),
				person, wide(personKind), wide(personSource), wide(team), sourceIP, tool,
				wide(text("user_agent", "agent", "")), wide(format.Column{Name: "console", Kind: format.Bool}), sessionID,
				wide(format.Column{Name: "calculation_execution_id", Title: "calculation", Kind: format.ID}),
				text("error_code", "error", ""), wide(text("error_message", "message", "")), wide(text("principal_arn", "", "")),
				wide(account), wide(region), wide(text("event_name", "call", "empty where no call ended a session")), wide(eventID)),
			source: "timeline", Limit: 200, resolve: notebook,
		},
	}
}

// notebook returns the id of the notebook that the user means: by its id, a
// name that it has or had, or what its id alone begins with.
func notebook(ctx context.Context, d *DB, said string) (string, error) {
	said = strings.TrimSpace(said)
	const ids = `SELECT DISTINCT notebook_id FROM (
    SELECT notebook_id FROM activity WHERE notebook_id >= ? AND notebook_id < ?
    UNION ALL
    SELECT notebook_id FROM sessions WHERE notebook_id >= ? AND notebook_id < ?
) AS ids ORDER BY notebook_id LIMIT 6`
	end := said + beyondText
	found, err := d.texts(ctx, ids, said, end, said, end)
	if err != nil {
		return "", err
	}
	if slices.Contains(found, said) {
		return said, nil
	}
	names, err := notebookNames(d.in)
	if err != nil {
		return "", err
	}
	for _, which := range []string{"place = 1", "place > 1"} { // a name that it has goes before one that it had
		called, err := d.texts(ctx, "WITH "+names+" SELECT DISTINCT notebook_id FROM notebook_names WHERE notebook_name = ? AND "+which+" ORDER BY notebook_id LIMIT 6", said)
		if err != nil {
			return "", err
		}
		if len(called) > 0 {
			return oneOf(called, fmt.Sprintf("notebooks are called %q", said))
		}
	}
	if len(said) < minPrefix || len(found) == 0 {
		return "", usageError(fmt.Sprintf("unknown notebook %q: want an id, a name, or at least %d characters that an id begins with; report notebooks lists them", said, minPrefix))
	}
	return oneOf(found, fmt.Sprintf("notebooks have ids that begin with %q", said))
}

// notebookNames returns the relation of that name, for a WITH.
func notebookNames(in dialect) (string, error) {
	var b strings.Builder
	err := templates[in].ExecuteTemplate(&b, "notebook_names", map[string]string{"Calls": "activity"})
	return b.String(), err
}

// beyondText sorts behind whatever continues a text.
const beyondText = "\U0010ffff"

// oneOf returns the only id there is, or says which there are. The list holds
// one more than is shown.
func oneOf(ids []string, what string) (string, error) {
	switch {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 5:
		return "", usageError(fmt.Sprintf("more than 5 %s: name one by its id, %s among them", what, strings.Join(ids[:5], ", ")))
	}
	return "", usageError(fmt.Sprintf("%d %s: name one by its id, of %s", len(ids), what, strings.Join(ids, ", ")))
}

// texts returns the one column of a statement.
func (d *DB) texts(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := d.query(ctx, query, args...)
	if err != nil {
		return nil, oneLine(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, oneLine(err)
		}
		list = append(list, s)
	}
	return list, oneLine(rows.Err())
}
