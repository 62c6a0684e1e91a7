package report

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A Scope is what of a lake somebody may see. The zero value is all of it.
type Scope struct {
	// Teams and Persons let through the rows that have one of them; nil lets
	// through all, and a list that is empty none.
	Teams, Persons []string

	// HideSQL takes away the SQL of executions and what comments in it say.
	HideSQL bool
}

// Whole reports whether the scope lets every row through.
func (s Scope) Whole() bool { return s.Teams == nil && s.Persons == nil }

// Key returns a text that two scopes share only if they are the same.
func (s Scope) Key() string {
	if s.Whole() {
		return fmt.Sprint(s.HideSQL)
	}
	return fmt.Sprintf("%q %q %t", s.Teams, s.Persons, s.HideSQL)
}

// outOfScope are the views that say something of everybody: of a part of the
// rows they would be wrong.
var outOfScope = []string{"unused", "unused-access", "anomalies"}

// Answers reports whether a view makes sense within the scope.
func (s Scope) Answers(view string) bool { return s.Whole() || !slices.Contains(outOfScope, view) }

// condition returns what a row of who did something has to fulfil.
func (s Scope) condition() string {
	var and []string
	for _, of := range []struct {
		column string
		values []string
	}{{"team", s.Teams}, {"person", s.Persons}} {
		if of.values == nil {
			continue
		}
		literals := []string{"NULL"} // of nobody: NULL is equal to nothing
		for _, v := range of.values {
			literals = append(literals, quote(v))
		}
		and = append(and, of.column+" IN ("+strings.Join(literals, ", ")+")")
	}
	if len(and) == 0 {
		return "true"
	}
	return strings.Join(and, " AND ")
}

// OpenScoped opens the lake in a folder as far as a scope lets it be seen. The
// rule stands in the SQL views that everything else is made from, so no report
// and no [DB.Who] can go around it. Texts are not cut by rows: they are found
// through executions, which are.
func OpenScoped(ctx context.Context, lake string, o Options, s Scope) (*DB, error) {
	d, err := start(ctx, lake, o)
	if err != nil {
		return nil, err
	}
	if o.Held != "" {
		if d.reader, err = openHeld(ctx, d.at, o, s); err != nil {
			err = fmt.Errorf("read held roll-ups: %w", err)
		} else {
			err = d.attachRows(ctx, o.Held)
		}
	}
	if err == nil {
		err = s.rule(ctx, d)
	}
	for _, statement := range lockdown(d.at.path) {
		if err == nil {
			_, err = d.db.ExecContext(ctx, statement)
		}
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("open lake %s: %w", lake, oneLine(err))
	}
	return d, nil
}

// rule makes the SQL views show what the scope lets be seen.
func (s Scope) rule(ctx context.Context, d *DB) error {
	if s.Whole() && !s.HideSQL {
		return nil
	}
	for _, t := range tables {
		open, closed, err := t.present(d.at.path)
		if body := s.restrict(t, t.source(d.at, open, closed)); err == nil && body != "" {
			_, err = d.db.ExecContext(ctx, "CREATE OR REPLACE VIEW "+t.name+" AS\n"+body)
		}
		if err != nil {
			return err
		}
	}
	if d.held {
		return s.ruleRows(ctx, d)
	}
	return nil
}

// restrict returns the SELECT of a table as the scope shows it, or "" where
// the scope leaves it as it is.
func (s Scope) restrict(t table, body string) string {
	has := func(name string) bool {
		return slices.ContainsFunc(t.columns, func(c column) bool { return c.name == name })
	}
	switch {
	case t.name == "query_texts":
		if !s.HideSQL {
			return ""
		}
		return "SELECT * REPLACE (CAST(NULL AS VARCHAR) AS query_string, CAST(NULL AS VARCHAR) AS comment) FROM (\n" + body + "\n) AS everything"
	case s.Whole():
		return ""
	case has("team") && has("person"):
		return "SELECT * FROM (\n" + body + "\n) AS everything WHERE " + s.condition()
	}
	return t.empty() // the catalog: what is there at all, and who may read it
}
