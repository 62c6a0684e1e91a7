package export

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
)

// spoolBytes is how much of what waits for its hour is held in memory. Beyond
// that it waits in a temporary folder.
const spoolBytes = 64 << 20

// A spool holds records by the number of their hour until that is written. It
// is not for use by several goroutines.
type spool struct {
	limit int
	held  int // bytes in memory
	hours map[int]*waiting
	dir   string // made when the limit is first passed
	temp  string // where; empty is the system's place
}

type waiting struct {
	memory  []byte
	spilled bool
}

func newSpool(limit int) *spool { return &spool{limit: limit, hours: map[int]*waiting{}} }

// add puts a record aside. Record is copied.
func (s *spool) add(hour int, record []byte) error {
	w := s.hours[hour]
	if w == nil {
		w = new(waiting)
		s.hours[hour] = w
	}
	before := len(w.memory)
	w.memory = append(binary.AppendUvarint(w.memory, uint64(len(record))), record...)
	s.held += len(w.memory) - before
	if s.held <= s.limit {
		return nil
	}
	for hour, w := range s.hours { // in any order: each has a file of its own
		if err := s.spill(hour, w); err != nil {
			return fmt.Errorf("put rows aside on disk: %w", err)
		}
	}
	s.held = 0
	return nil
}

func (s *spool) file(hour int) string { return filepath.Join(s.dir, fmt.Sprintf("hour-%d", hour)) }

func (s *spool) spill(hour int, w *waiting) error {
	if len(w.memory) == 0 {
		return nil
	}
	if s.dir == "" {
		dir, err := os.MkdirTemp(s.temp, "athenatrail-export-") // for the user alone
		if err != nil {
			return err
		}
		s.dir = dir
	}
	f, err := os.OpenFile(s.file(hour), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(w.memory); err != nil {
		f.Close()
		return err
	}
	w.memory, w.spilled = nil, true
	return f.Close()
}

// take returns an hour's records, which the spool no longer has.
func (s *spool) take(hour int) ([][]byte, error) {
	w := s.hours[hour]
	if w == nil {
		return nil, nil
	}
	delete(s.hours, hour)
	s.held -= len(w.memory)
	data := w.memory
	if w.spilled {
		spilled, err := os.ReadFile(s.file(hour))
		if err != nil {
			return nil, fmt.Errorf("read rows that were put aside: %w", err)
		}
		if err := os.Remove(s.file(hour)); err != nil {
			return nil, fmt.Errorf("remove rows that were put aside: %w", err)
		}
		data = append(spilled, w.memory...)
	}
	var records [][]byte
	for scan := (scanner{rest: data}); len(scan.rest) > 0; {
		record := scan.take(scan.uvarint())
		if scan.bad {
			return nil, errSpooled
		}
		records = append(records, record)
	}
	return records, nil
}

// close removes what is left.
func (s *spool) close() error {
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
