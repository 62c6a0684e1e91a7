package export

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// Kinds of records that wait for their hour.
const (
	rowRecord  = 'r'
	textRecord = 't'
)

// read puts the rows of a partition that belong to an hour aside, and the SQL
// that they want.
func (p *plan) read(ctx context.Context, held *lake.Lake, day athenatrail.Partition, aside *spool) error {
	var need map[string]bool
	wantsSQL := false
	if !p.set.whole {
		need = map[string]bool{}
	}
	for _, c := range p.set.columns {
		for _, name := range c.needs {
			need[name] = true
		}
		wantsSQL = wantsSQL || c.sql
	}
	wanted := map[string]map[string][]int{} // by the text's day and hash, the hours
	cells := make([]any, len(p.set.columns))
	var record []byte
	for row, err := range p.table.rows(ctx, held, day, need) {
		if err != nil {
			return err
		}
		at := p.table.place(row)
		hour, ok := p.index[clockOf(at.at, p.Zone)]
		if !ok || p.set.keep != nil && !p.set.keep(row) {
			continue
		}
		for i, c := range p.set.columns {
			cells[i] = nil
			if c.value != nil {
				cells[i] = c.value(row)
			}
		}
		if !wantsSQL {
			at.text = textKey{}
		}
		record = at.append(append(record[:0], rowRecord))
		if err := aside.add(hour, appendCells(record, cells)); err != nil {
			return err
		}
		if k := at.text; !k.isZero() {
			of := wanted[k.day]
			if of == nil {
				of = map[string][]int{}
				wanted[k.day] = of
			}
			if hours := of[k.hash]; !slices.Contains(hours, hour) {
				of[k.hash] = append(hours, hour)
			}
		}
	}
	p.sum.Partitions++
	return p.readTexts(ctx, day, wanted, aside)
}

// readTexts puts the SQL that a partition's rows want aside, for every hour
// that wants it.
func (p *plan) readTexts(ctx context.Context, of athenatrail.Partition, wanted map[string]map[string][]int, aside *spool) error {
	type sql struct {
		TextHash    string `parquet:"text_hash"`
		QueryString string `parquet:"query_string,optional"`
	}
	var record []byte
	for day, hashes := range wanted { // in any order: records are looked up by their key
		date, err := athenatrail.ParseDate(day)
		if err != nil {
			continue // the day of no file
		}
		for row, err := range lake.ReadAs[sql](ctx, p.Lake, lake.QueryTexts, of.On(date)) {
			if err != nil {
				return fmt.Errorf("the SQL, which columns %s hold: %w", p.set.name, err)
			}
			if row.QueryString == "" {
				continue // it is not kept
			}
			for _, hour := range hashes[row.TextHash] {
				record = append(record[:0], textRecord)
				record = textKey{of.Account, of.Region, day, row.TextHash}.append(record)
				if err := aside.add(hour, appendText(record, row.QueryString)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (k textKey) append(b []byte) []byte {
	for _, s := range []string{k.account, k.region, k.day, k.hash} {
		b = appendText(b, s)
	}
	return b
}

func (s *scanner) textKey() textKey { return textKey{s.text(), s.text(), s.text(), s.text()} }

func (p *place) append(b []byte) []byte {
	b = binary.AppendVarint(b, p.at.UnixMilli())
	for _, s := range []string{p.id, p.eventID, p.account, p.region, p.gap} {
		b = appendText(b, s)
	}
	return p.text.append(b)
}

func (s *scanner) place() place {
	p := place{at: time.UnixMilli(s.varint()).UTC()}
	for _, field := range []*string{&p.id, &p.eventID, &p.account, &p.region, &p.gap} {
		*field = s.text()
	}
	p.text = s.textKey()
	return p
}

// compare orders rows by time and key. It is total: what is the same in all of
// them is the same row.
func (p *place) compare(q *place) int {
	return cmp.Or(p.at.Compare(q.at), strings.Compare(p.id, q.id), strings.Compare(p.eventID, q.eventID),
		strings.Compare(p.account, q.account), strings.Compare(p.region, q.region))
}

// An hourRows is an hour's rows in their order, with their SQL.
type hourRows struct {
	rows  []waitingRow
	texts map[textKey]string
}

type waitingRow struct {
	place
	cells []byte
}

// unpack sorts an hour's records.
func unpack(records [][]byte) (*hourRows, error) {
	h := &hourRows{texts: map[textKey]string{}}
	for _, record := range records {
		s := &scanner{rest: record[min(1, len(record)):]}
		switch {
		case len(record) > 0 && record[0] == rowRecord:
			h.rows = append(h.rows, waitingRow{s.place(), s.rest})
		case len(record) > 0 && record[0] == textRecord:
			key := s.textKey()
			h.texts[key] = s.text()
		default:
			s.bad = true
		}
		if s.bad {
			return nil, errSpooled
		}
	}
	slices.SortFunc(h.rows, func(a, b waitingRow) int { return a.compare(&b.place) })
	return h, nil
}

// cells yields the rows' cells, in a slice that is used again.
func (h *hourRows) cells(hour Hour, columns []Column) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		row := make([]any, len(columns))
		for i := range h.rows {
			s := &scanner{rest: h.rows[i].cells}
			if s.cells(row); s.bad {
				yield(nil, errSpooled)
				return
			}
			for j, c := range columns {
				if c.late == nil {
					continue
				}
				var sql any
				if text, ok := h.texts[h.rows[i].text]; ok {
					sql = text
				}
				row[j] = c.late(hour, sql)
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}
