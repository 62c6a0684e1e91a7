package directory

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/spelling"
)

const (
	maxFile     = 32 << 20 // bytes
	maxRows     = 200_000
	maxField    = 1024 // bytes; the longest names that directories of AWS hold
	maxMistakes = 20   // of one file are told
)

// columns are those that a file may have, in any order. Only id is required.
var columns = []string{"id", "name", "email", "team", "valid_from", "valid_to"}

// ReadFile reads a directory of people from a file on disk, in the form of
// [ReadCSV]. What is wrong is reported with file and line.
func ReadFile(path string) (*identity.Directory, error) {
	f, err := os.Open(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("read directory %s: %w", path, err)
	}
	defer f.Close()
	entries, err := ReadCSV(f, path)
	if err != nil {
		return nil, err
	}
	d, err := identity.NewDirectory(entries)
	if err != nil {
		return nil, located(path, err)
	}
	return d, nil
}

// located puts the line that an error of identity begins with behind the
// file's name.
func located(name string, err error) error {
	var line int
	if _, scan := fmt.Sscanf(err.Error(), "line %d:", &line); scan != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s:%d:%s", name, line, strings.TrimPrefix(err.Error(), fmt.Sprintf("line %d:", line)))
}

// ReadCSV reads a directory of people: comma-separated values in UTF-8 with a
// header line of id, name, email, team, valid_from and valid_to, in any order
// and without those that are not needed. Empty lines and lines that begin with
// # are passed over. valid_from is the first day on which a row holds,
// valid_to the first on which it no longer does; empty is always.
//
// All mistakes of the file, up to twenty, are reported with name and line, one
// error each, joined. Whether rows contradict each other is
// [identity.NewDirectory]'s to say.
func ReadCSV(r io.Reader, name string) ([]identity.Entry, error) {
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	buffered := bufio.NewReader(limited)
	if start, _ := buffered.Peek(3); bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		buffered.Discard(3)
	} else if bytes.HasPrefix(start, []byte{0xff, 0xfe}) || bytes.HasPrefix(start, []byte{0xfe, 0xff}) {
		return nil, fmt.Errorf("%s:1: the text is UTF-16: want UTF-8, as in \"CSV UTF-8\" of a spreadsheet", name)
	}
	f := &file{name: name, csv: csv.NewReader(buffered)}
	f.csv.Comment = '#'
	f.csv.FieldsPerRecord = -1 // counted here, to say what is wanted
	f.csv.ReuseRecord = true
	if !f.header() {
		return nil, f.err()
	}
	var entries []identity.Entry
	for {
		fields, line, more := f.next()
		if !more {
			break
		}
		if f.rows++; f.rows > maxRows {
			f.mistake(line, "more than %d rows", maxRows)
			break
		}
		if fields == nil {
			continue
		}
		if e, ok := f.entry(fields, line); ok {
			entries = append(entries, e)
		}
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxFile)
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	return entries, nil
}

// A file is one that is being read.
type file struct {
	name     string
	csv      *csv.Reader
	width    int   // fields in the header
	places   []int // where each of columns stands in a row, -1 for nowhere
	rows     int
	mistakes []error
	untold   int
}

func (f *file) mistake(line int, format string, args ...any) {
	f.tell(fmt.Errorf("%s:%d: %s", f.name, line, fmt.Sprintf(format, args...)))
}

func (f *file) tell(err error) {
	if len(f.mistakes) >= maxMistakes {
		f.untold++
		return
	}
	f.mistakes = append(f.mistakes, err)
}

func (f *file) err() error {
	if f.untold > 0 {
		return errors.Join(append(f.mistakes, fmt.Errorf("%s: %d more mistakes", f.name, f.untold))...)
	}
	return errors.Join(f.mistakes...)
}

// next returns the fields of a row, nil for one that cannot be read, and
// whether there was one.
func (f *file) next() (fields []string, line int, more bool) {
	fields, err := f.csv.Read()
	var wrong *csv.ParseError
	switch {
	case err == nil:
		line, _ = f.csv.FieldPos(0)
		return fields, line, true
	case err == io.EOF:
		return nil, 0, false
	case errors.As(err, &wrong):
		f.mistake(wrong.StartLine, "%s", quoting(wrong))
		return nil, wrong.StartLine, true
	}
	f.mistakes = append(f.mistakes, fmt.Errorf("read directory %s: %w", f.name, err))
	return nil, 0, false
}

func quoting(err *csv.ParseError) string {
	if errors.Is(err, csv.ErrQuote) && err.Line > err.StartLine {
		return fmt.Sprintf("a quoted field that begins here is wrong in line %d: want it closed, and quotes within it doubled", err.Line)
	}
	return fmt.Sprintf("a quote in column %d does not stand right: want the whole field in quotes, and those within it doubled", err.Column)
}

// header reads the line of names.
func (f *file) header() bool {
	fields, line, more := f.next()
	want := strings.Join(columns, ",")
	switch {
	case !more && len(f.mistakes) == 0:
		f.mistake(1, "the file is empty: want a first line of %s", want)
		return false
	case fields == nil:
		return false
	case len(fields) == 1 && strings.Contains(fields[0], ";"):
		f.mistake(line, "the columns are separated by semicolons: want commas")
		return false
	case len(fields) == 1 && strings.Contains(fields[0], "\t"):
		f.mistake(line, "the columns are separated by tabs: want commas")
		return false
	}
	f.width = len(fields)
	f.places = slices.Repeat([]int{-1}, len(columns))
	known := 0
	for i, field := range fields {
		name := strings.ToLower(strings.TrimSpace(field))
		c := slices.Index(columns, name)
		switch {
		case c < 0 && name == "" && allEmpty(fields[i:]):
			continue // what spreadsheets leave behind the last column
		case c < 0:
			f.mistake(line, "unknown column %q: %s", clip(field), meant(name))
		case f.places[c] >= 0:
			f.mistake(line, "column %s stands here twice", name)
		default:
			f.places[c] = i
			known++
		}
	}
	switch {
	case known == 0:
		f.mistakes, f.untold = nil, 0
		f.mistake(line, "no header: want a first line of %s", want)
	case len(f.mistakes) > 0:
	case f.places[0] < 0:
		f.mistake(line, "no column id")
	case f.places[1] < 0 && f.places[2] < 0 && f.places[3] < 0:
		f.mistake(line, "the ids say nothing: want a column name, email or team")
	}
	return len(f.mistakes) == 0
}

// meant is what an unknown column was to be.
func meant(name string) string {
	for _, c := range columns {
		if len(name) > 1 && spelling.Distance(name, c) <= 2 {
			return "did you mean " + c + "?"
		}
	}
	return "want " + strings.Join(columns, ", ")
}

// entry reads one row.
func (f *file) entry(fields []string, line int) (e identity.Entry, ok bool) {
	before := len(f.mistakes) + f.untold
	if len(fields) < f.width || len(fields) > f.width && !allEmpty(fields[f.width:]) {
		f.mistake(line, "%d fields: want %d, as in the header", len(fields), f.width)
		return e, false
	}
	get := func(column int) string {
		if f.places[column] < 0 {
			return ""
		}
		text := strings.TrimSpace(fields[f.places[column]])
		if want := field(text); want != "" {
			f.mistake(line, "%s %q: want %s", columns[column], clip(text), want)
			return ""
		}
		return strings.Clone(text) // a row's fields share their memory
	}
	day := func(column int) athenatrail.Date {
		text := get(column)
		if text == "" {
			return 0
		}
		d, err := athenatrail.ParseDate(text)
		if err != nil || d <= 0 {
			f.mistake(line, "%s %q: want a day such as 2026-11-03", columns[column], clip(text))
		}
		return d
	}
	e = identity.Entry{ID: get(0), Name: get(1), Email: get(2), Team: get(3), From: day(4), To: day(5), Line: line}
	if len(f.mistakes)+f.untold > before {
		return e, false
	}
	if e.ID == "" {
		f.mistake(line, "no id")
	} else if _, err := identity.NewDirectory([]identity.Entry{e}); err != nil {
		f.tell(located(f.name, err))
	}
	return e, len(f.mistakes)+f.untold == before
}

// field returns what is wanted instead of a field's text, or "".
func field(text string) string {
	switch {
	case len(text) > maxField:
		return fmt.Sprintf("at most %d bytes", maxField)
	case !utf8.ValidString(text):
		return "UTF-8"
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "one line without control characters"
	}
	return ""
}

func allEmpty(fields []string) bool {
	return !slices.ContainsFunc(fields, func(s string) bool { return strings.TrimSpace(s) != "" })
}

// clip bounds what an error repeats of a value.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
