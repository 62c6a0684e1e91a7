package notify

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Markup is what a channel takes some characters for.
type Markup int

// The markups.
const (
	Plain    Markup = iota
	Mrkdwn          // Slack's: < begins a link or a mention
	Markdown        // Discord, Teams and others

	// ByLine is added where shoutrrr makes each line a part of its own, so that
	// no fence can stand around several.
	ByLine Markup = 1 << 4
)

// services are the schemes of URLs, with the markup and the most bytes of text
// that each takes.
var services = map[string]struct {
	markup Markup
	most   int
}{
	"bark":       {Plain, 2000},
	"discord":    {Markdown, 5500}, // in embeds, which shoutrrr cuts it into
	"generic":    {Plain, 30000},
	"googlechat": {Mrkdwn, 3800},
	"gotify":     {Plain, 30000},
	"hangouts":   {Mrkdwn, 3800},
	"ifttt":      {Plain, 2000},
	"join":       {Plain, 2000},
	"lark":       {Plain, 10000},
	"matrix":     {Plain, 20000},
	"mattermost": {Markdown, 15000},
	"notifiarr":  {Markdown, 3800},
	"ntfy":       {Plain, 3800},
	"opsgenie":   {Plain, 10000},
	"pagerduty":  {Plain, 1000},
	"pushbullet": {Plain, 4000},
	"pushover":   {Plain, 1000},
	"rocketchat": {Markdown, 4500},
	"signal":     {Plain, 1800},
	"slack":      {Mrkdwn | ByLine, 12000},
	"smtp":       {Plain, 200000},
	"teams":      {Markdown | ByLine, 18000},
	"telegram":   {Plain, 3800},
	"wecom":      {Plain, 1800},
	"zulip":      {Markdown, 9500},
}

// Services returns the schemes of URLs that a channel may have.
func Services() []string {
	var names []string
	for name := range services {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// form returns the markup of a channel and the most bytes of text that it
// takes. Scheme is that of its URL, which may stand elsewhere.
func (c *Channel) form(scheme string) (Markup, int) {
	switch {
	case c.Slack != nil:
		return Mrkdwn, 12000
	case c.SNS != "":
		return Plain, 200000 // of 256 KiB
	case c.SMTP != nil:
		return Plain, 1 << 20
	}
	service, _, _ := strings.Cut(scheme, "+")
	s, ok := services[service]
	if !ok {
		return Plain, 1000
	}
	return s.markup, s.most
}

// Bounds of what is told of a text, in bytes.
const (
	mostName     = 120
	mostSentence = 600
	mostSQL      = 300
	mostLine     = 400
	mostText     = 64 << 10
	mostKey      = 400
)

// cutMark stands where a text was cut.
const cutMark = "…"

// bounded returns text in one line of at most so many bytes, without what a
// terminal, a mail client or a chat would obey: control characters, marks that
// turn the direction of writing, characters that do not show.
func bounded(text string, most int) string {
	var b strings.Builder
	space := false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case !shows(r):
			r = '\ufffd'
		}
		if b.Len()+utf8.RuneLen(r)+1+len(cutMark) > most {
			b.WriteString(cutMark)
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// shows reports whether a character is one that shows, and shows where it
// stands.
func shows(r rune) bool {
	return r != utf8.RuneError && !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) && !strings.ContainsRune("\u115f\u1160\u3164\uffa0", r)
}

// columns is [bounded] for a line in which the number of spaces counts.
func columns(line string) string {
	line = strings.Map(func(r rune) rune {
		if r != ' ' && (unicode.IsSpace(r) || !shows(r)) {
			return '\ufffd'
		}
		return r
	}, strings.TrimRight(line, "\r\n"))
	return cut(link.ReplaceAllString(line, "$1[:]//"), mostLine)
}

// escapeCode is escape for text between fences, where nothing but the fence
// itself and Slack's own characters count.
func escapeCode(text string, m Markup) string {
	if m == Plain {
		return text
	}
	text = strings.ReplaceAll(text, "`", "ˋ")
	if m == Mrkdwn {
		text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
	}
	return text
}

// escape makes text stand for itself in a markup. What looks like a link of
// the web is no link any more, whatever the client makes of bare addresses.
func escape(text string, m Markup) string {
	text = link.ReplaceAllString(text, "$1[:]//")
	switch m &^ ByLine {
	case Mrkdwn:
		return mrkdwn.Replace(text)
	case Markdown:
		return markdown.Replace(text)
	}
	return text
}

var (
	link   = regexp.MustCompile(`(?i)(https?|ftp)://`)
	mrkdwn = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "ˋ", "*", "∗", "~", "∼",
		// A mention by name alone.
		"@here", "@\u200bhere", "@channel", "@\u200bchannel", "@everyone", "@\u200beveryone", "@all", "@\u200ball")
	markdown = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`, "|", `\|`, "[", `\[`, "]", `\]`,
		"(", `\(`, ")", `\)`, "#", `\#`, "<", `\<`, ">", `\>`, "!", `\!`,
		"@here", "@\u200bhere", "@channel", "@\u200bchannel", "@everyone", "@\u200beveryone", "@all", "@\u200ball")
)
