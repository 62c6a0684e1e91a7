package notify

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"os"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/format"
)

// A Page is what a template is given: the messages of one run for one channel
// and recipient.
type Page struct {
	Channel string
	Direct  bool   // it goes to the person whom all of it is about
	Subject string // of the mail; empty in the template of the subject itself

	Messages []Entry
	More     []Entry // what is beyond the first, of which the headline is enough
}

// Count is how many messages there are.
func (p *Page) Count() int { return len(p.Messages) + len(p.More) }

// An Entry is a message as a template is given it: bounded, and in templates
// of text escaped for the channel. What is not known is empty.
type Entry struct {
	Kind     Kind
	Headline string // in one sentence

	Person, SubjectKind, Subject, Team string

	Limit, LimitText       string
	Threshold              int64
	Used, Allowed, Percent string
	Window                 string

	Queries  []QueryEntry
	Done     []string
	Advice   []string
	HowToAsk string

	Text string            // several lines, of a digest
	HTML htmltemplate.HTML // likewise
}

// A QueryEntry is a query of an [Entry].
type QueryEntry struct{ ID, Started, Scanned, Cost, Database, SQL string }

// Bounds of what one letter tells.
const (
	mostFull    = 12 // messages of which more than the headline is told
	mostQueries = 5
	mostLines   = 12 // of Done, likewise of Advice
)

//go:embed template
var builtIn embed.FS

// A Renderer makes letters of messages by a channel's templates.
type Renderer struct {
	subject, text *template.Template
	html          *htmltemplate.Template
}

// maxTemplate is the most that is read of a template, in bytes.
const maxTemplate = 256 << 10

// NewRenderer reads templates and tries them on messages of every kind. An
// error names the file and line.
func NewRenderer(t Templates) (*Renderer, error) {
	r := new(Renderer)
	for _, part := range []struct {
		file, built string
		parse       func(name, text string) error
	}{
		{t.Subject, "subject.tmpl", func(name, text string) (err error) {
			r.subject, err = template.New(name).Option("missingkey=error").Parse(text)
			return err
		}},
		{t.Text, "text.tmpl", func(name, text string) (err error) {
			r.text, err = template.New(name).Option("missingkey=error").Parse(text)
			return err
		}},
		{t.HTML, "html.tmpl", func(name, text string) (err error) {
			r.html, err = htmltemplate.New(name).Option("missingkey=error").Parse(text)
			return err
		}},
	} {
		name := part.file
		data, err := builtIn.ReadFile("template/" + part.built)
		if name == "" {
			name = part.built
		} else {
			data, err = os.ReadFile(name)
		}
		switch {
		case err != nil:
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			return nil, fmt.Errorf("%s: %w", name, err)
		case len(data) > maxTemplate:
			return nil, fmt.Errorf("%s: larger than %d bytes", name, maxTemplate)
		case !utf8.Valid(data):
			return nil, fmt.Errorf("%s: not UTF-8", name)
		}
		if err := part.parse(name, string(data)); err != nil {
			return nil, templateError(name, err)
		}
	}
	if t != (Templates{}) {
		if err := r.try(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// templateError drops what is before the file's name and line of an error of
// the template packages.
func templateError(name string, err error) error {
	text := err.Error()
	if _, rest, ok := strings.Cut(text, name+":"); ok {
		text = strings.TrimSpace(rest)
	}
	return fmt.Errorf("%s:%s", name, bounded(text, mostSentence))
}

// try fills the templates with messages of every kind, so that a field that
// does not exist is found when the configuration is read, and not at night.
func (r *Renderer) try() error {
	for _, k := range Kinds {
		m := Message{
			Key: "try", Kind: k, Person: "rosa@example.com", SubjectKind: "person", Subject: "rosa@example.com", Team: "sales",
			Limit: "analysts-day", LimitText: "2 TB scanned a day for each person", Threshold: 100, Percent: 104, Used: "2.08 TB", Allowed: "2 TB",
			Start: time.Unix(0, 0), Queries: []Query{{ID: "0", Started: time.Unix(0, 0)}}, Done: []string{"stopped 1 query"}, Advice: []string{"name a partition"}, HowToAsk: "ask",
		}
		if k == Digest || k == Anomaly || k == Test {
			m.Headline, m.Text, m.HTML = "so it is", "a\nb", "<p>a</p>"
		}
		for _, n := range []int{1, mostFull + 1} {
			messages := make([]Message, n)
			for i := range messages {
				messages[i] = m
			}
			if _, err := r.Letter(&Channel{Name: "try", SQL: true}, "", Plain, 1<<20, messages, time.UTC); err != nil {
				return err
			}
		}
	}
	return nil
}

// A Letter is what a channel is given to send.
type Letter struct {
	To      string // a person's address; empty: whom the channel is for
	Subject string // in one line, without markup
	Title   string // the same in the channel's markup
	Text    string // in the channel's markup
	HTML    string

	Pictures []Picture

	// ID is the same when the letter is sent again because nobody knows
	// whether it arrived, so that a service may tell.
	ID string

	Kinds []Kind // of the messages, each once
}

// Letter makes a letter of messages for a recipient. Its text takes at most so
// many bytes.
func (r *Renderer) Letter(c *Channel, to string, markup Markup, most int, messages []Message, zone *time.Location) (*Letter, error) {
	l := &Letter{To: to}
	page := func(m Markup, full int) *Page {
		p := &Page{Channel: c.Name, Direct: c.Direct(), Subject: l.Subject}
		for i := range messages {
			e := entry(c, &messages[i], m, zone)
			if len(p.Messages) < full {
				p.Messages = append(p.Messages, e)
			} else {
				p.More = append(p.More, e)
			}
		}
		return p
	}
	var out bytes.Buffer
	if err := r.subject.Execute(&out, page(Plain, mostFull)); err != nil {
		return nil, templateError(r.subject.Name(), err)
	}
	l.Subject = bounded(out.String(), mostSubject)
	l.Title = escape(l.Subject, markup)
	for full := mostFull; ; full = full / 2 {
		out.Reset()
		if err := r.text.Execute(&out, page(markup, max(1, full))); err != nil {
			return nil, templateError(r.text.Name(), err)
		}
		l.Text = strings.TrimSpace(out.String())
		if len(l.Text) <= most || full <= 1 {
			break
		}
	}
	l.Text = cutFenced(l.Text, most)
	out.Reset()
	if err := r.html.Execute(&out, page(Plain, mostFull)); err != nil {
		return nil, templateError(r.html.Name(), err)
	}
	l.HTML = out.String()
	for i := range messages {
		l.Pictures = append(l.Pictures, messages[i].Pictures...)
	}
	return l, nil
}

// mostSubject is where mail clients cut a subject, and what SNS takes.
const mostSubject = 100

// cut cuts text at a line, or where it has none at a character.
func cut(text string, most int) string {
	const end = "\n" + cutMark
	if len(text) <= most {
		return text
	}
	text = text[:max(0, most-len(end))]
	if i := strings.LastIndexByte(text, '\n'); i > most/2 {
		text = text[:i]
	}
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + end
}

// entry makes a message ready for a template.
func entry(c *Channel, m *Message, markup Markup, zone *time.Location) Entry {
	say := func(text string, most int) string { return escape(bounded(text, most), markup) }
	says := func(texts []string) (list []string) {
		for _, text := range sentences(texts) {
			list = append(list, escape(text, markup))
		}
		return list
	}
	e := Entry{
		Kind: m.Kind, Headline: say(m.headline(c.Direct(), zone), mostSentence),
		Person: say(m.Person, mostName), SubjectKind: say(m.SubjectKind, mostName), Subject: say(m.Subject, mostName), Team: say(m.Team, mostName),
		Limit: say(m.Limit, mostName), LimitText: say(m.LimitText, mostSentence), Threshold: m.Threshold,
		Used: say(m.Used, mostName), Allowed: say(m.Allowed, mostName), Window: window(m.Start, m.End, zone),
		Done: says(m.Done), Advice: says(m.Advice),
		HowToAsk: say(m.HowToAsk, mostSentence),
		Text:     preformatted(m.Text, markup), HTML: htmltemplate.HTML(m.HTML),
	}
	if m.HowToAsk == "" && m.Limit != "" {
		e.HowToAsk = escape(bounded(c.HowToAsk, mostSentence), markup)
	}
	if m.Percent > 0 {
		e.Percent = percent(m.Percent)
	}
	for i, q := range m.Queries {
		if i == mostQueries {
			break
		}
		row := QueryEntry{ID: say(q.ID, mostName), Cost: say(q.Cost, mostName), Database: say(q.Database, mostName)}
		if q.Bytes >= 0 {
			row.Scanned = format.HumanBytes(q.Bytes)
		}
		if !q.Started.IsZero() {
			row.Started = clock(q.Started, zone)
		}
		if c.SQL {
			row.SQL = say(q.SQL, mostSQL)
		}
		e.Queries = append(e.Queries, row)
	}
	return e
}

func percent(p float64) string { return fmt.Sprintf("%.1f %%", p) }

func clock(t time.Time, zone *time.Location) string { return t.In(zone).Format("2006-01-02 15:04 MST") }

func window(start, end time.Time, zone *time.Location) string {
	switch {
	case start.IsZero():
		return ""
	case end.IsZero():
		return "since " + clock(start, zone)
	}
	return clock(start, zone) + " to " + clock(end, zone)
}

// headline says a message in one sentence. To whom it is about it says you.
func (m *Message) headline(direct bool, zone *time.Location) string {
	if m.Headline != "" {
		return m.Headline
	}
	name := bounded(m.Subject, mostName)
	who, has, whose := name, "has", "of "+name
	switch {
	case direct && m.SubjectKind == "person":
		who, has, whose = "You", "have", "of yours"
	case m.SubjectKind == "all":
		who, has, whose = "All together", "have", "of all"
	case m.SubjectKind == "team", m.SubjectKind == "work_group":
		who = strings.ReplaceAll(m.SubjectKind, "_", " ") + " " + name
		whose = "of " + who
	}
	used := ""
	if m.Used != "" {
		used = ": " + m.Used
		if m.Allowed != "" {
			used += " of " + m.Allowed
		}
		used += " used"
		if m.Percent > 0 {
			used += ", " + percent(m.Percent)
		}
	}
	until := ""
	if !m.End.IsZero() {
		until = " until " + clock(m.End, zone)
	}
	switch m.Kind {
	case LimitWarn:
		return fmt.Sprintf("%s %s reached %d %% of what %s allows%s", who, has, m.Threshold, m.Limit, used)
	case LimitStop:
		return fmt.Sprintf("Running queries %s were stopped by the limit %s%s", whose, m.Limit, used)
	case LimitBlock:
		return fmt.Sprintf("%s can start no queries in Athena%s, by the limit %s%s", who, until, m.Limit, used)
	case LimitLift:
		return fmt.Sprintf("%s can start queries in Athena again: the block by %s has ended", who, m.Limit)
	}
	return who + ": " + strings.ReplaceAll(string(m.Kind), "_", " ")
}

// preformatted makes text of several lines stand for itself, in columns where
// the channel can show them.
func preformatted(text string, markup Markup) string {
	if text == "" {
		return ""
	}
	fenced := markup == Mrkdwn || markup == Markdown
	var lines []string
	for line := range strings.Lines(text) {
		if line = columns(line); fenced {
			line = escapeCode(line, markup)
		} else {
			line = escape(line, markup)
		}
		lines = append(lines, line)
	}
	body := strings.TrimRight(strings.Join(lines, "\n"), "\n")
	if fenced {
		return fence + "\n" + body + "\n" + fence
	}
	return body
}

const fence = "```"

// cutFenced is cut for text in which fences stand: the last stays closed.
func cutFenced(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = cut(text, most-len(fence)-1)
	if strings.Count(text, fence)%2 == 1 {
		text += "\n" + fence
	}
	return text
}

// letterID is a hash of the notices in a letter: the same for the same.
func letterID(mine []*athenatrail.Notice) string {
	h := sha256.New()
	for _, row := range mine {
		fmt.Fprintf(h, "%s\x00%s\x00", row.MessageKey, row.Channel)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
