// Package engine runs statements on a distributed engine of the user's own,
// Athena or Trino, over the tables that athenatrail ddl makes there. Both are
// opened as a [database/sql.DB] whose rows have the same types: int64, float64,
// bool, string, time.Time in UTC, []any, and decimals as their text.
//
// A statement has no parameters: whoever writes it puts values in as literals.
// It is sent as it is, and what the engine may do with it is up to the rights
// of the credentials; deploy/policy/engine-athena.json has those that reading
// needs.
package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A Statement is what one statement came to, as Athena says it.
type Statement struct {
	State        string // SUCCEEDED, FAILED or CANCELLED
	ScannedBytes int64
	Reused       bool // answered from an earlier result, which is free
	DPUCount     *float64
}

// A Meter notes what statements of Athena came to. It is safe for concurrent
// use.
type Meter struct {
	mu   sync.Mutex
	list []Statement
}

// Statements returns what was noted so far.
func (m *Meter) Statements() []Statement {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.list)
}

func (m *Meter) note(s Statement) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, s)
}

// An Error is what an engine said of a statement.
type Error struct {
	Engine  string
	Message string
	User    bool // the statement is wrong, not the engine
}

func (e *Error) Error() string { return e.Engine + ": " + e.Message }

// UserError reports whether the statement itself is wrong.
func (e *Error) UserError() bool { return e.User }

// errParameters is the answer to a statement with parameters.
var errParameters = errors.New("a statement for a distributed engine has no parameters")

// maxMessage bounds what is passed on of an engine's words.
const maxMessage = 2000

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if len(line) > maxMessage {
		line = strings.ToValidUTF8(line[:maxMessage], "") + "..."
	}
	return line
}

// checkName refuses an empty setting.
func checkName(what, value string) error {
	if value == "" {
		return fmt.Errorf("no %s", what)
	}
	return nil
}
