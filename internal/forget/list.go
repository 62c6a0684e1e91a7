// Package forget erases from a lake: the days before one, all that is known of
// a person, or the SQL. What is erased is noted first, by hashes, so that it
// does not come back when log files are read again, and a run that was killed
// is finished by the next one. Tables are derived from what is left.
package forget

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/redact"
)

// A List is what a lake has forgotten and does not take again. Nil forgets
// nothing. It may be used by many goroutines at once.
type List struct {
	lake   *lake.Lake
	salt   []byte
	before athenatrail.Date
	days   map[athenatrail.Partition]bool // that have hashes

	mu     sync.Mutex
	hashes map[athenatrail.Partition]map[string]bool
}

// Load returns a lake's List, nil where nothing was erased.
func Load(ctx context.Context, l *lake.Lake) (*List, error) {
	x := &List{lake: l, days: map[athenatrail.Partition]bool{}, hashes: map[athenatrail.Partition]map[string]bool{}}
	var err error
	if x.before, err = l.ForgottenBefore(ctx); err != nil {
		return nil, err
	}
	for p, err := range l.ForgottenDays(ctx) {
		if err != nil {
			return nil, err
		}
		x.days[p] = true
	}
	if x.before == 0 && len(x.days) == 0 {
		return nil, nil
	}
	if len(x.days) > 0 {
		if x.salt, err = l.Salt(ctx); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// Keep returns the rows of a fact that may be stored. What it drops was erased.
func Keep[T any](ctx context.Context, x *List, fact *lake.Fact[T], rows []T) ([]T, error) {
	if x == nil {
		return rows, nil
	}
	kept := make([]T, 0, len(rows))
	for i := range rows {
		has, err := x.has(ctx, fact.Home(&rows[i]), &rows[i])
		if err != nil {
			return nil, err
		}
		if !has {
			kept = append(kept, rows[i])
		}
	}
	return kept, nil
}

func (x *List) has(ctx context.Context, p athenatrail.Partition, row any) (bool, error) {
	if _, timeless := row.(*athenatrail.Reference); p.Date < x.before && !timeless {
		return true, nil
	}
	if !x.days[p] {
		return false, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	hashes := x.hashes[p]
	if hashes == nil {
		var err error
		if hashes, err = x.lake.Forgotten(ctx, p); err != nil {
			return false, err
		}
		x.hashes[p] = hashes
	}
	return hashes[hashOf(x.salt, row)], nil
}

// hashOf returns the hash of a fact's key, 32 hex digits. It is the same
// whatever of the SQL is stored.
func hashOf(salt []byte, row any) string {
	var key []string
	switch row := row.(type) {
	case *athenatrail.Event:
		key = []string{"event", redact.EventID(salt, row.ID), row.QueryExecutionID}
	case *athenatrail.SessionEvent:
		key = []string{"session_event", redact.EventID(salt, row.ID), row.SessionID}
	case *athenatrail.Detail:
		key = []string{"detail", row.Kind, row.ID}
	case *athenatrail.QueryText:
		key = []string{"query_text", redact.TextHash(salt, row.TextHash)}
	case *athenatrail.RoleSession:
		key = []string{"role_session", row.AccessKeyHash}
	case *athenatrail.DataAccess:
		key = []string{"data_access", row.QueryExecutionID, row.Table, row.EventID}
	case *athenatrail.Reference:
		key = []string{"reference", row.Kind, row.ID}
	case *athenatrail.LimitAction:
		key = []string{"limit_action", row.ID, strconv.Itoa(int(row.Attempt))}
	case *athenatrail.Notice:
		key = []string{"notice", row.MessageKey, row.Channel}
	default:
		return "" // on no list
	}
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(strings.Join(key, "\x00")))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
