package catalog

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail/internal/spelling"
)

const (
	maxFile     = 128 << 20 // bytes
	maxMistakes = 20        // of one file are told
)

// mistakes are what is wrong in a file, each with the file's name and a line.
type mistakes struct {
	name   string
	told   []error
	untold int
}

func (m *mistakes) add(line int, format string, args ...any) {
	if len(m.told) >= maxMistakes {
		m.untold++
		return
	}
	m.told = append(m.told, fmt.Errorf("%s:%d: %s", m.name, line, fmt.Sprintf(format, args...)))
}

func (m *mistakes) count() int { return len(m.told) + m.untold }

func (m *mistakes) err() error {
	if m.untold > 0 {
		return errors.Join(append(m.told, fmt.Errorf("%s: %d more mistakes", m.name, m.untold))...)
	}
	return errors.Join(m.told...)
}

// A sheet is a CSV file with a line of names first: comma-separated values in
// UTF-8. Empty lines and lines that begin with # are passed over.
type sheet struct {
	mistakes
	columns []string // that there may be
	csv     *csv.Reader
	width   int
	places  map[string]int // of a column in a row
	line    int
	fields  []string
}

func newSheet(name string, data []byte, columns, required []string) *sheet {
	s := &sheet{mistakes: mistakes{name: name}, columns: columns, places: map[string]int{}}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		s.add(1, "the text is UTF-16: want UTF-8, as in \"CSV UTF-8\" of a spreadsheet")
		return s
	}
	s.csv = csv.NewReader(bytes.NewReader(data))
	s.csv.Comment = '#'
	s.csv.FieldsPerRecord = -1 // counted here, to say what is wanted
	s.csv.ReuseRecord = true
	s.header(required)
	return s
}

// header reads the line of names.
func (s *sheet) header(required []string) {
	want := strings.Join(s.columns, ",")
	if !s.read() {
		if s.count() == 0 {
			s.add(1, "the file is empty: want a first line of %s", want)
		}
		return
	}
	s.width = len(s.fields)
	if s.width == 1 && strings.ContainsAny(s.fields[0], ";\t") {
		s.add(s.line, "the columns are separated by semicolons or tabs: want commas")
		return
	}
	for i, field := range s.fields {
		name := strings.ToLower(strings.TrimSpace(field))
		_, twice := s.places[name]
		switch {
		case name == "" && allEmpty(s.fields[i:]): // what spreadsheets leave behind the last column
		case !slices.Contains(s.columns, name):
			s.add(s.line, "unknown column %q: %s", clip(field), s.meant(name))
		case twice:
			s.add(s.line, "column %s stands here twice", name)
		default:
			s.places[name] = i
		}
	}
	if s.count() > 0 {
		return
	}
	for _, name := range required {
		if _, ok := s.places[name]; !ok {
			s.add(s.line, "no column %s", name)
		}
	}
}

// meant is what an unknown column was to be.
func (s *sheet) meant(name string) string {
	for _, c := range s.columns {
		if len(name) > 1 && spelling.Distance(name, c) <= 2 {
			return "did you mean " + c + "?"
		}
	}
	return "want " + strings.Join(s.columns, ", ")
}

// read reads a line, and reports whether there was one that can be read.
func (s *sheet) read() bool {
	for {
		fields, err := s.csv.Read()
		var wrong *csv.ParseError
		switch {
		case err == nil:
			s.line, _ = s.csv.FieldPos(0)
			s.fields = fields
			return true
		case err == io.EOF:
			return false
		case errors.As(err, &wrong):
			s.add(wrong.StartLine, "a quote does not stand right: want the whole field in quotes, and those within it doubled")
		default:
			s.add(s.line+1, "%v", err)
			return false
		}
		if s.count() > maxMistakes {
			return false
		}
	}
}

// next goes to the next row whose fields are as many as the header's.
func (s *sheet) next() bool {
	if s.csv == nil || s.count() > 0 && s.width == 0 {
		return false
	}
	for s.read() {
		if len(s.fields) >= s.width && allEmpty(s.fields[s.width:]) {
			return true
		}
		s.add(s.line, "%d fields: want %d, as in the header", len(s.fields), s.width)
	}
	return false
}

// get returns a field of the row, "" where there is no such column.
func (s *sheet) get(column string) string {
	place, ok := s.places[column]
	if !ok {
		return ""
	}
	text := strings.TrimSpace(s.fields[place])
	switch {
	case len(text) > maxText:
		s.wrong(column, text, fmt.Sprintf("at most %d bytes", maxText))
	case !utf8.ValidString(text):
		s.wrong(column, text, "UTF-8")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		s.wrong(column, text, "one line without control characters")
	default:
		return strings.Clone(text) // a row's fields share their memory
	}
	return ""
}

func (s *sheet) wrong(column, text, want string) {
	s.add(s.line, "%s %q: want %s", column, clip(text), want)
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
