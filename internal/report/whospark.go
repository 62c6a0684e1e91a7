package report

import (
	"context"
	"fmt"

	"github.com/athenatrail/athenatrail"
)

// A Session is a row of sessions, the day it lies on, and the newest name of
// its notebook.
type Session struct {
	athenatrail.Session
	Date         athenatrail.Date
	NotebookName string
}

// A Calculation is a row of calculations and the day it lies on.
type Calculation struct {
	athenatrail.Calculation
	Date athenatrail.Date
}

// whoSpark fills in w if the id is a session's or a calculation's, and reports
// whether it is.
func (d *DB) whoSpark(ctx context.Context, w *Who, id string) (bool, error) {
	for _, of := range []struct {
		table, column string
		fill          func(context.Context, *Who, string, string) error
	}{
		{"calculations", "calculation_execution_id", d.whoCalculation},
		{"sessions", "session_id", d.whoSession},
	} {
		found, err := d.texts(ctx, fmt.Sprintf("SELECT 'yes' FROM (SELECT %[2]s FROM %[1]s UNION ALL SELECT %[2]s FROM activity) AS ids WHERE %[2]s = ? LIMIT 1", of.table, of.column), id)
		if err != nil {
			return false, err
		}
		if len(found) > 0 {
			return true, of.fill(ctx, w, id, "")
		}
	}
	return false, nil
}

// whoSession tells of a session. The event, if it is not "", is one that led to
// it.
func (d *DB) whoSession(ctx context.Context, w *Who, id, eventID string) (err error) {
	w.ID, w.Kind = id, WhoSession
	if w.Sessions, err = d.session(ctx, "session_id", id); err != nil {
		return err
	}
	rows, err := readRows[athenatrail.Calculation](ctx, d, "calculations",
		fmt.Sprintf("session_id = ? ORDER BY submitted_at, calculation_execution_id NULLS LAST, event_id, account_id, region_name LIMIT %d", maxActivity+1), id)
	if err != nil {
		return err
	}
	if len(rows) > maxActivity {
		rows, w.More = rows[:maxActivity], true
	}
	for _, c := range rows {
		w.Calculations = append(w.Calculations, Calculation{c.row, c.day})
	}
	return d.events(ctx, w, "session_id", eventID)
}

// whoCalculation tells of a calculation likewise, and of its session.
func (d *DB) whoCalculation(ctx context.Context, w *Who, id, eventID string) error {
	w.ID, w.Kind = id, WhoCalculation
	rows, err := readRows[athenatrail.Calculation](ctx, d, "calculations",
		"calculation_execution_id = ? ORDER BY submitted_at, account_id, region_name, event_id LIMIT 10", id)
	if err != nil {
		return err
	}
	for _, c := range rows {
		w.Calculations = append(w.Calculations, Calculation{c.row, c.day})
	}
	if len(rows) > 0 && rows[0].row.SessionID != "" {
		if w.Sessions, err = d.session(ctx, "session_id", rows[0].row.SessionID); err != nil {
			return err
		}
	}
	return d.events(ctx, w, "calculation_execution_id", eventID)
}

// session returns the rows of a session, by its id or its start's: one, unless
// a trail was edited.
func (d *DB) session(ctx context.Context, column, id string) ([]Session, error) {
	rows, err := readRows[athenatrail.Session](ctx, d, "sessions", column+" = ? ORDER BY started_at, account_id, region_name, event_id LIMIT 10", id)
	if err != nil {
		return nil, err
	}
	var list []Session
	for _, s := range rows {
		session := Session{Session: s.row, Date: s.day}
		if s.row.NotebookID != "" {
			if session.NotebookName, err = d.notebookName(ctx, s.row.NotebookID); err != nil {
				return nil, err
			}
		}
		list = append(list, session)
	}
	return list, nil
}

// notebookName returns the newest name of a notebook, or "".
func (d *DB) notebookName(ctx context.Context, id string) (string, error) {
	names, err := notebookNames(d.in)
	if err != nil {
		return "", err
	}
	found, err := d.texts(ctx, "WITH "+names+" SELECT notebook_name FROM notebook_names WHERE notebook_id = ? AND place = 1 ORDER BY notebook_name LIMIT 1", id)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}
