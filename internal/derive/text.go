package derive

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"slices"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// A text is what is kept of the SQL with one hash.
type text struct {
	on          days             // that hold it
	rank        int8             // of the fact that the rest was read from
	sum         uint64           // of that fact, to order what is equal otherwise
	note        *annotation.Note // nil where no tool left a comment
	probe       bool
	fingerprint string
	refs        sqlref.Refs // as the SQL names them, without its context
}

// Text takes the SQL of one or more executions, of the partition's day or the
// two around it; other days are passed over. Where the SQL itself is not kept
// as it was, what was noted of it when it was collected counts. Of several
// facts about one text the one that says most is used.
func (d *Day) Text(q *athenatrail.QueryText) {
	day := d.dayOf(q.Home.Date)
	if day == 0 {
		return
	}
	key := idOf(q.TextHash)
	t := d.texts[key]
	if t == nil {
		t = &text{rank: -1}
		d.texts[key] = t
	}
	t.on |= day
	rank, sum := rankOfText(q), sumOfText(q)
	if rank < t.rank || rank == t.rank && sum <= t.sum {
		return
	}
	*t = text{on: t.on, rank: rank, sum: sum, note: d.note(cmp.Or(q.Comment, q.QueryString))}
	if q.Probe != nil {
		t.probe = *q.Probe
	} else {
		t.probe = annotation.Probe(q.QueryString)
	}
	if q.QueryString != "" {
		t.fingerprint, t.refs = d.pool.text(sqlref.Fingerprint(q.QueryString)), d.refs(sqlref.Parse(q.QueryString))
	} else {
		t.fingerprint, t.refs = d.pool.text(q.Fingerprint), d.refs(heldRefs(q))
	}
}

// rankOfText tells how much of a text a fact holds: all of it, what is left
// without its literals, or what was noted.
func rankOfText(q *athenatrail.QueryText) int8 {
	switch {
	case q.QueryString != "" && q.Probe == nil:
		return 2
	case q.QueryString != "":
		return 1
	}
	return 0
}

func sumOfText(q *athenatrail.QueryText) uint64 {
	sum := fnv.New64a()
	add := func(s string) {
		io.WriteString(sum, s)
		sum.Write([]byte{0})
	}
	add(q.QueryString)
	add(q.Fingerprint)
	add(q.Comment)
	add(fmt.Sprint(q.Probe != nil, q.Probe != nil && *q.Probe))
	for _, names := range [...][]string{q.Tables, q.TablesWritten} {
		for _, name := range names {
			add(name)
		}
		add("")
	}
	return sum.Sum64()
}

// heldRefs returns the tables that were noted of a text that is not kept.
func heldRefs(q *athenatrail.QueryText) (refs sqlref.Refs) {
	for _, name := range q.Tables {
		if ref, ok := sqlref.ParseRef(name); ok {
			ref.Write = slices.Contains(q.TablesWritten, name)
			ref.Read = !ref.Write
			refs = append(refs, ref)
		}
	}
	return refs
}

// refs returns refs whose names are kept once.
func (d *Day) refs(refs sqlref.Refs) sqlref.Refs {
	for i := range refs {
		r := &refs[i]
		r.Catalog, r.Database, r.Table = d.pool.text(r.Catalog), d.pool.text(r.Database), d.pool.text(r.Table)
	}
	return refs
}

// note returns what a tool's comment says, kept as long as the Day.
func (d *Day) note(sql string) *annotation.Note {
	n, ok := d.settings.Notes.Find(sql)
	if !ok {
		return nil
	}
	for _, s := range [...]*string{&n.Tool, &n.User, &n.Detail, &n.Comment} {
		*s = d.pool.text(*s)
	}
	return &n
}

// noteOf returns the comment in the SQL of an execution that an event started,
// or nil.
func (d *Day) noteOf(e *athenatrail.Event) *annotation.Note {
	if e.Name != StartEvent {
		return nil
	}
	hash := e.TextHash
	if det := d.details[idOf(e.QueryExecutionID)]; det != nil && det.textHash != "" && e.QueryExecutionID != "" {
		hash = det.textHash
	}
	if t := d.text(hash); t != nil {
		return t.note
	}
	return nil
}

func (d *Day) text(hash string) *text {
	if hash == "" {
		return nil
	}
	return d.texts[idOf(hash)]
}

// textDay returns the day under which query_texts holds a text, or "" where
// none does. It is the preferred day where that one has it, the partition's
// own next, else the earliest.
func (d *Day) textDay(hash string, preferred athenatrail.Date) string {
	t := d.text(hash)
	if t == nil {
		return ""
	}
	today := d.partition.Date
	for _, on := range [...]athenatrail.Date{preferred, today, today - 1, today + 1} {
		if t.on&d.dayOf(on) != 0 {
			return on.String()
		}
	}
	return ""
}
