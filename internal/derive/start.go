package derive

import (
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
)

// A start is what is kept of the event that asked for an execution.
type start struct {
	at               int64 // milliseconds since 1970
	eventID          string
	queryExecutionID string
	caller           *caller
	setting          *setting
	textHash         string // of SQL in clear
	errorCode        string
	errorMessage     string
}

// start keeps what a row needs of a StartQueryExecution, unless its row lies
// elsewhere.
func (d *Day) start(e *athenatrail.Event, r *athenatrail.Record, from *caller) {
	key, rows := idOf(e.QueryExecutionID), d.starts
	if e.QueryExecutionID == "" {
		key, rows = idOf(e.ID), d.failed
	} else if _, ok := d.earlier[key]; ok {
		return
	}
	if r.SharedEventID != "" && r.RecipientAccountID != r.Identity.AccountID {
		if _, ok := d.elsewhere[sharedID(r.SharedEventID, r.Identity.AccountID)]; ok {
			if e.QueryExecutionID != "" {
				d.beside[key] = struct{}{}
			}
			return
		}
	}

	old := rows[key]
	at := e.Time.UnixMilli()
	if old != nil && !before(at, e.ID, old.at, old.eventID) {
		return
	}
	rows[key] = &start{
		at:               at,
		eventID:          strings.Clone(bounded(e.ID)),
		queryExecutionID: strings.Clone(bounded(e.QueryExecutionID)),
		caller:           d.pool.caller(from),
		setting:          d.pool.setting(setting{workGroup: r.WorkGroup, catalog: r.Catalog, database: r.Database}),
		textHash:         d.pool.text(e.TextHash),
		errorCode:        d.pool.text(r.ErrorCode),
		errorMessage:     d.pool.text(r.ErrorMessage),
	}
}

// before orders an execution's starts.
func before(at int64, eventID string, otherAt int64, otherID string) bool {
	if at != otherAt {
		return at < otherAt
	}
	return eventID < otherID
}

func (s *start) time() time.Time { return time.UnixMilli(s.at).UTC() }
