package notify

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// hostile are names as a trail may have them.
var hostile = []string{
	"<!channel> <https://evil.example|pay here>", "@everyone *bold* `code` [x](https://evil.example)", "a@example.com\r\nBcc: b@example.com",
	"\x1b[31mred\x1b[0m", "\u202eexe.gpj", "<script>alert(1)</script><img src=x onerror=alert(1)>", strings.Repeat("long", 10000), "\xff\xfe", "a\u200bb", "{{.Channel}}",
}

func hostileMessage(text string) Message {
	return Message{
		Key: text, At: time.Unix(0, 0), Kind: LimitWarn, Person: text, SubjectKind: "person", Subject: text, Team: text, Limit: "day", LimitText: text, Threshold: 100, Percent: 1,
		Used: text, Allowed: text, Queries: slices.Repeat([]Query{{ID: text, Database: text, Cost: text, SQL: text}}, 30), Done: slices.Repeat([]string{text}, 30), Advice: []string{text}, HowToAsk: text,
		Text: text,
	}
}

func letterOf(t testing.TB, c *Channel, m Markup, messages ...Message) *Letter {
	t.Helper()
	r, err := NewRenderer(Templates{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := r.Letter(c, "", m, 100_000, messages, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestHostileNamesObeyNowhere(t *testing.T) {
	for _, text := range hostile {
		m := hostileMessage(text)
		for _, markup := range []Markup{Plain, Mrkdwn, Markdown} {
			l := letterOf(t, &Channel{Name: "c", SQL: true}, markup, m)
			for what, got := range map[string]string{"text": l.Text, "subject": l.Subject, "title": l.Title} {
				if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && unicode.IsControl(r) || r == '\u202e' }); i >= 0 || !utf8.ValidString(got) {
					t.Errorf("%.40q, markup %d: %s has what a terminal obeys: %.200q", text, markup, what, got)
				}
				for _, bad := range []string{"https://evil", "http://evil"} {
					if strings.Contains(got, bad) {
						t.Errorf("%.40q, markup %d: %s has a link", text, markup, what)
					}
				}
				switch {
				case what == "subject": // no channel with a markup shows it
				case markup == Mrkdwn:
					if strings.Contains(got, "<") || strings.Contains(got, "@everyone") && !strings.Contains(withFences(got), "@everyone") {
						t.Errorf("%.40q: %s has Slack's markup: %.300s", text, what, got)
					}
				case markup == Markdown:
					if rest := withoutFences(got); strings.Contains(rest, " *bold*") || strings.Contains(rest, "@everyone") || strings.Contains(rest, "[x](") {
						t.Errorf("%.40q: %s has Markdown: %.300s", text, what, got)
					}
				}
			}
			if strings.ContainsAny(l.Subject, "\r\n") || len(l.Subject) > mostSubject {
				t.Errorf("subject %q", l.Subject)
			}
			for _, bad := range []string{"<script", "<img", "onerror=alert(1)>", "https://evil"} {
				if strings.Contains(l.HTML, bad) {
					t.Errorf("%.40q: the HTML has %s", text, bad)
				}
			}
			if len(l.Text) > 40_000 || len(l.HTML) > 80_000 {
				t.Errorf("%.40q: %d bytes of text, %d of HTML", text, len(l.Text), len(l.HTML))
			}
		}
	}
}

// withoutFences returns text without what stands between ```, where markup is
// none.
func withoutFences(text string) string { return parity(text, 0) }
func withFences(text string) string    { return parity(text, 1) }

func parity(text string, want int) string {
	var out []string
	for i, part := range strings.Split(text, "```") {
		if i%2 == want {
			out = append(out, part)
		}
	}
	return strings.Join(out, "")
}

// A text of a digest cannot leave its fence.
func TestFence(t *testing.T) {
	for _, markup := range []Markup{Mrkdwn, Markdown} {
		got := preformatted("a  b\n```\n<!channel>\n\tc\x1b", markup)
		if strings.Count(got, "```") != 2 || markup == Mrkdwn && strings.Contains(got, "<") || strings.ContainsAny(got, "\t\x1b") || !strings.Contains(got, "a  b") {
			t.Errorf("markup %d: %q", markup, got)
		}
	}
}

// Where each line is a part of its own there is no fence, and nothing in a
// line is markup.
func TestByLine(t *testing.T) {
	if got, want := preformatted("a  *b*\n<c> `d`\n", Mrkdwn|ByLine), "a  ∗b∗\n&lt;c&gt; ˋdˋ"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := preformatted("a  *b*\n", Markdown|ByLine), `a  \*b\*`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A text that is cut within a fence still ends it.
func TestFenceThatIsCut(t *testing.T) {
	m := Message{Kind: Digest, Headline: "the week", Text: strings.Repeat("rosa *x* 1\n", 1000)}
	r, err := NewRenderer(Templates{})
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{500, 501, 502, 503, 504, 505, 1000} {
		l, err := r.Letter(&Channel{Name: "c"}, "", Markdown, most, []Message{m}, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Text) > most || strings.Count(l.Text, "```") != 2 || !strings.HasSuffix(l.Text, "```") {
			t.Errorf("at most %d: %d bytes, ends with %q", most, len(l.Text), l.Text[len(l.Text)-20:])
		}
	}
}

func TestBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		if rapid.Bool().Draw(t, "valid") {
			text = rapid.String().Draw(t, "string")
		}
		most := rapid.IntRange(8, 200).Draw(t, "most")
		got := bounded(text, most)
		if len(got) > most || !utf8.ValidString(got) || strings.TrimSpace(got) != got {
			t.Fatalf("%q, at most %d bytes: %q", text, most, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("%q: %q", text, got)
			}
		}
	})
}

// Where the channel takes little, the letter says less of each message.
func TestLetterFits(t *testing.T) {
	var messages []Message
	for range 30 {
		messages = append(messages, hostileMessage("rosa@example.com"))
	}
	r, err := NewRenderer(Templates{})
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{900, 2000, 12000} {
		l, err := r.Letter(&Channel{Name: "c"}, "", Plain, most, messages, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Text) > most {
			t.Errorf("%d bytes, want %d at most", len(l.Text), most)
		}
		if most > 5000 && !strings.Contains(l.Text, " more:") {
			t.Errorf("it does not say how many more:\n%s", l.Text)
		}
	}
	if l := letterOf(t, &Channel{Name: "c"}, Plain, messages...); !strings.HasPrefix(l.Subject, "Athena, 30 messages: rosa@") {
		t.Errorf("subject %q", l.Subject)
	}
}

// The golden of the text: what an analyst reads.
func TestText(t *testing.T) {
	start := time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC)
	m := Message{
		Kind: LimitBlock, Person: "rosa@example.com", SubjectKind: "person", Subject: "rosa@example.com", Team: "sales",
		Limit: "analysts-day", LimitText: "2 TB scanned a day for each person", Threshold: 120, Percent: 123.4, Used: "2.47 TB", Allowed: "2 TB", Start: start, End: start.AddDate(0, 0, 1),
		Queries: []Query{{ID: "7d9c", Started: start.Add(9 * time.Hour), Bytes: 1 << 40, Cost: "$5.00", Database: "sales"}, {ID: "7d9d", Bytes: -1}},
		Done:    []string{"stopped 2 queries"}, Advice: []string{"name a partition of sales.orders: dt"},
	}
	want := `You can start no queries in Athena until 2026-11-04 00:00 UTC, by the limit analysts-day: 2.47 TB of 2 TB used, 123.4 %
limit: analysts-day, 2 TB scanned a day for each person
used: 2.47 TB of 2 TB, 123.4 % (told at 120 %)
window: 2026-11-03 00:00 UTC to 2026-11-04 00:00 UTC
team: sales
done: stopped 2 queries
cost most:
- 7d9c, 1.0 TiB, $5.00, sales, 2026-11-03 09:00 UTC
- 7d9d
to change: name a partition of sales.orders: dt
for more: Ask in #data-platform.`
	got := letterOf(t, &Channel{Name: "c", Slack: &Slack{To: ToPerson}, HowToAsk: "Ask in #data-platform."}, Plain, m).Text
	if got != want {
		t.Errorf("text:\n%s\nwant:\n%s", got, want)
	}
}

// The template of HTML is made for mail clients: styles within the elements,
// nothing from elsewhere, no script.
func TestHTMLForMail(t *testing.T) {
	l := letterOf(t, &Channel{Name: "c"}, Plain, hostileMessage("rosa@example.com"))
	for _, bad := range []string{"<script", "<link", "http://", "https://", "class="} {
		if strings.Contains(l.HTML, bad) {
			t.Errorf("the HTML has %s", bad)
		}
	}
	for _, want := range []string{"rosa@example.com", "used", "cost most", "to change", "for more", "channel c"} {
		if !strings.Contains(l.HTML, want) {
			t.Errorf("the HTML lacks %q", want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, text := range []string{"rosa@example.com", "rosa+athena@mail.example.com", "o'hara@example.com"} {
		if !IsAddress(text) {
			t.Errorf("%q is refused", text)
		}
	}
	for _, text := range []string{"", "rosa", "rosa@example.com\r\nRCPT TO:<eve@example.com>", "rosa@example.com, eve@example.com", "Rosa <rosa@example.com>", "rosa@example.com>", "rosa @example.com",
		"\"a b\"@example.com", strings.Repeat("a", 250) + "@example.com", "rösa@example.com", "rosa@[127.0.0.1]"} {
		if IsAddress(text) {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, markup := range []Markup{Plain, Mrkdwn, Markdown} {
			got := escape(bounded(text, mostName), markup)
			if !utf8.ValidString(got) || bytes.ContainsAny([]byte(got), "\r\n\x1b") || markup == Mrkdwn && strings.ContainsAny(got, "<>`*") {
				t.Errorf("markup %d, %q: %q", markup, text, got)
			}
		}
	})
}
