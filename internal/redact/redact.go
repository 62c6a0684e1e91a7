// Package redact takes out of facts what the setting query_text does not let
// into a lake: the literals of SQL, or all of it, wherever a fact quotes them.
//
// What it does to a fact is a function of the fact, the mode and the lake's
// salt, and doing it twice is doing it once, so that facts of a lake can be
// redacted later like those that come in.
package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// A Mode says what of SQL is stored: the setting query_text.
type Mode string

const (
	Full            Mode = "full"             // the SQL as it is
	LiteralsMasked  Mode = "literals_masked"  // with ? for its texts and numbers, without comments
	FingerprintOnly Mode = "fingerprint_only" // its fingerprint, its tables and a tool's comment
)

// A Redactor redacts facts. Nil, and one of mode Full, leaves them as they are.
// It may be used by many goroutines at once.
type Redactor struct {
	mode  Mode
	salt  []byte
	notes *annotation.Patterns
}

// New returns the Redactor of a mode. Salt is the lake's, see [lake.Lake.Salt];
// Full needs none. Notes find the comment that stays.
func New(mode Mode, salt []byte, notes *annotation.Patterns) *Redactor {
	return &Redactor{mode: mode, salt: salt, notes: notes}
}

func (r *Redactor) idle() bool { return r == nil || r.mode == Full || r.mode == "" }

// salted begins hashes that nobody without the salt can compare with a guess.
const salted = "hmac:"

// hash returns "hmac:" and the HMAC-SHA256 of a text's plain hash.
func (r *Redactor) hash(plain string) string {
	if plain == "" || strings.HasPrefix(plain, salted) {
		return plain
	}
	return salted + r.hmac(plain)
}

func (r *Redactor) hmac(s string) string {
	h := hmac.New(sha256.New, r.salt)
	h.Write([]byte(s))
	return hex.EncodeToString(h.Sum(nil))
}

// eventID hides the hash of a record that stands for a missing eventID, because
// the record held the SQL's plain hash.
func (r *Redactor) eventID(id string) string {
	if plain, ok := strings.CutPrefix(id, "sha256:"); ok {
		return salted + r.hmac(plain)[:32]
	}
	return id
}

// Event redacts an event.
func (r *Redactor) Event(e *athenatrail.Event) {
	if r.idle() {
		return
	}
	e.ID, e.TextHash, e.Record = r.eventID(e.ID), r.hash(e.TextHash), r.record(e.Record)
}

// SessionEvent redacts an event of Spark as [Redactor.Event] does its other copy.
func (r *Redactor) SessionEvent(e *athenatrail.SessionEvent) {
	if r.idle() {
		return
	}
	e.ID, e.Record = r.eventID(e.ID), r.record(e.Record)
}

// Text redacts a text. What the SQL would have told beside its words is noted.
func (r *Redactor) Text(q *athenatrail.QueryText) {
	if r.idle() {
		return
	}
	sql := q.QueryString
	if isPlain := !strings.HasPrefix(q.TextHash, salted); isPlain && sql != "" {
		probe := annotation.Probe(sql)
		q.Fingerprint, q.Probe, q.Comment = sqlref.Fingerprint(sql), &probe, ""
		q.Tables, q.TablesWritten = tables(sqlref.SureTables(sql))
		if note, ok := r.notes.Find(sql); ok {
			q.Comment = withoutHashes(note.Comment)
		}
		q.QueryString = sqlref.Mask(sql)
	}
	if r.mode == FingerprintOnly {
		q.QueryString = ""
	}
	q.TextHash = r.hash(q.TextHash)
}

func tables(refs sqlref.Refs) (all, written []string) {
	for _, ref := range refs {
		if ref.Read || ref.Write {
			all = append(all, ref.String())
		}
		if ref.Write {
			written = append(written, ref.String())
		}
	}
	return all, written
}

// queryHash finds what Redash and Metabase write of the text in their comments:
// its unsalted hash.
var queryHash = regexp.MustCompile(`(?i)query[ _]?hash"?[:=] *"?[0-9a-f]{16,}`)

// withoutHashes puts zeros for the hashes of texts that a tool's comment holds;
// a tool's own form is kept, by which it is known.
func withoutHashes(comment string) string {
	return queryHash.ReplaceAllStringFunc(comment, func(s string) string {
		digits := len(s)
		for digits > 0 && strings.IndexByte("0123456789abcdefABCDEF", s[digits-1]) >= 0 {
			digits--
		}
		return s[:digits] + strings.Repeat("0", len(s)-digits)
	})
}

// Detail redacts what Athena said: the values that a statement was executed
// with, and what messages quote. SQL is the statement's text, "" where it is
// not known.
func (r *Redactor) Detail(d *athenatrail.Detail, sql string) {
	if r.idle() {
		return
	}
	d.TextHash = r.hash(d.TextHash)
	m := messagesOf(sql)
	if answer, ok := decode(d.Answer); ok {
		m.parameters(answer)
		if m.answer(answer) {
			d.Answer = encode(answer)
		}
	} else {
		d.Answer = "" // JSON is what it was stored as
	}
	d.Message = m.mask(d.Message)
}

// TextHash returns the salted hash of a text by its plain or its salted hash.
func TextHash(salt []byte, hash string) string { return (&Redactor{salt: salt}).hash(hash) }

// EventID returns the id under which an event is stored where texts are
// masked, by the one that it has.
func EventID(salt []byte, id string) string { return (&Redactor{salt: salt}).eventID(id) }
