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

// A header says which columns a file may have, in any order. The first is
// required, and one of the next so many.
type header struct {
	columns []string
	said    int
}

var peopleHeader = header{[]string{"id", "name", "email", "team", "valid_from", "valid_to"}, 3}

// ReadFile reads a directory of people from a file on disk, in the form of
// [ReadCSV]. What is wrong is reported with file and line.
func ReadFile(path string) (*identity.Directory, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
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

func open(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("read directory %s: %w", path, err)
	}
	return f, nil
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
func ReadCSV(r io.Reader, name string) (entries []identity.Entry, err error) {
	err = readRows(r, name, peopleHeader, func(row *row) {
		if e, ok := row.entry(); ok {
			entries = append(entries, e)
		}
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// readRows hands the rows of a CSV file to take. The error is every mistake of
// the file, those that take tells too.
func readRows(r io.Reader, name string, h header, take func(*row)) error {
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	buffered := bufio.NewReader(limited)
	if start, _ := buffered.Peek(3); bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		buffered.Discard(3)
	} else if bytes.HasPrefix(start, []byte{0xff, 0xfe}) || bytes.HasPrefix(start, []byte{0xfe, 0xff}) {
		return fmt.Errorf("%s:1: the text is UTF-16: want UTF-8, as in \"CSV UTF-8\" of a spreadsheet", name)
	}
	f := &file{header: h, name: name, csv: csv.NewReader(buffered)}
	f.csv.Comment = '#'
	f.csv.FieldsPerRecord = -1 // counted here, to say what is wanted
	f.csv.ReuseRecord = true
	if !f.readHeader() {
		return f.err()
	}
	for {
		fields, line, more := f.next()
		if !more {
			break
		}
		if f.rows++; f.rows > maxRows {
			f.mistake(line, "more than %d rows", maxRows)
			break
		}
		switch {
		case fields == nil:
		case len(fields) < f.width || len(fields) > f.width && !allEmpty(fields[f.width:]):
			f.mistake(line, "%d fields: want %d, as in the header", len(fields), f.width)
		default:
			take(&row{f, fields, line})
		}
	}
	if limited.N == 0 {
		return fmt.Errorf("%s: larger than %d bytes", name, maxFile)
	}
	return f.err()
}

// A file is one that is being read.
type file struct {
	header
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

// readHeader reads the line of names.
func (f *file) readHeader() bool {
	fields, line, more := f.next()
	want := strings.Join(f.columns, ",")
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
	f.places = slices.Repeat([]int{-1}, len(f.columns))
	known := 0
	for i, field := range fields {
		name := strings.ToLower(strings.TrimSpace(field))
		c := slices.Index(f.columns, name)
		switch {
		case c < 0 && name == "" && allEmpty(fields[i:]):
			continue // what spreadsheets leave behind the last column
		case c < 0:
			f.mistake(line, "unknown column %q: %s", clip(field), f.meant(name))
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
		f.mistake(line, "no column %s", f.columns[0])
	case !slices.ContainsFunc(f.places[1:1+f.said], func(place int) bool { return place >= 0 }):
		said := f.columns[1 : 1+f.said]
		f.mistake(line, "the %ss say nothing: want a column %s or %s", f.columns[0], strings.Join(said[:len(said)-1], ", "), said[len(said)-1])
	}
	return len(f.mistakes) == 0
}

// meant is what an unknown column was to be.
func (h header) meant(name string) string {
	for _, c := range h.columns {
		if len(name) > 1 && spelling.Distance(name, c) <= 2 {
			return "did you mean " + c + "?"
		}
	}
	return "want " + strings.Join(h.columns, ", ")
}

// A row is one line of a file, with as many fields as the header.
type row struct {
	file   *file
	fields []string
	line   int
}

func (r *row) mistake(format string, args ...any) { r.file.mistake(r.line, format, args...) }

// told is how many mistakes of the file were told so far.
func (r *row) told() int { return len(r.file.mistakes) + r.file.untold }

// get returns the text of a column, "" where the file lacks it.
func (r *row) get(column int) string {
	place := r.file.places[column]
	if place < 0 {
		return ""
	}
	text := strings.TrimSpace(r.fields[place])
	if want := field(text); want != "" {
		r.mistake("%s %q: want %s", r.file.columns[column], clip(text), want)
		return ""
	}
	return strings.Clone(text) // a row's fields share their memory
}

func (r *row) day(column int) athenatrail.Date {
	text := r.get(column)
	if text == "" {
		return 0
	}
	d, err := athenatrail.ParseDate(text)
	if err != nil || d <= 0 {
		r.mistake("%s %q: want a day such as 2026-11-03", r.file.columns[column], clip(text))
	}
	return d
}

// entry reads a row of people.
func (r *row) entry() (e identity.Entry, ok bool) {
	before := r.told()
	e = identity.Entry{ID: r.get(0), Name: r.get(1), Email: r.get(2), Team: r.get(3), From: r.day(4), To: r.day(5), Line: r.line}
	if r.told() > before {
		return e, false
	}
	if e.ID == "" {
		r.mistake("no id")
	} else if _, err := identity.NewDirectory([]identity.Entry{e}); err != nil {
		r.file.tell(located(r.file.name, err))
	}
	return e, r.told() == before
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
