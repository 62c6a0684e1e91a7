package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// onEveryStore runs a test on a folder and on S3. Open opens the same lake
// again, as another process would.
func onEveryStore(t *testing.T, test func(t *testing.T, open func() *lake.Lake)) {
	open := func(t *testing.T, store lake.Store, err error) *lake.Lake {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		l, err := lake.Create(context.Background(), store)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	t.Run("disk", func(t *testing.T) {
		dir := t.TempDir()
		test(t, func() *lake.Lake {
			store, err := lake.OpenStore(dir)
			return open(t, store, err)
		})
	})
	t.Run("s3", func(t *testing.T) {
		server := s3test.Start(t)
		bucket := server.Bucket(t)
		test(t, func() *lake.Lake {
			store, err := lake.NewS3Store(server.NewClient(), bucket, "lake")
			return open(t, store, err)
		})
	})
}

// onDisk returns a new lake in a folder.
func onDisk(t *testing.T) *lake.Lake {
	t.Helper()
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A box is a sender that keeps letters, and answers what it is told to.
type box struct {
	mu      sync.Mutex
	letters []*notify.Letter
	answers []error // of the next letters; then nil
	slow    time.Duration
}

func (b *box) Send(ctx context.Context, l *notify.Letter) (string, error) {
	time.Sleep(b.slow)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.answers) > 0 {
		err := b.answers[0]
		b.answers = b.answers[1:]
		if err != nil {
			return "", err
		}
	}
	b.letters = append(b.letters, l)
	return "box", nil
}

// take returns the letters since the last take.
func (b *box) take() []*notify.Letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	letters := b.letters
	b.letters = nil
	return letters
}

func post(t testing.TB, c notify.Channel, s notify.Sender) *notify.Post {
	t.Helper()
	r, err := notify.NewRenderer(c.Template)
	if err != nil {
		t.Fatal(err)
	}
	return &notify.Post{Channel: c, Scheme: c.URL.Scheme(), Renderer: r, Open: func(context.Context) (notify.Sender, error) { return s, nil }}
}

// noon is a Tuesday's.
var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func warning(person string, threshold int64) notify.Message {
	return notify.Message{
		Key: fmt.Sprintf("limit/analysts-day/person/%s/%d/2026-11-03", person, threshold), At: noon.Truncate(24 * time.Hour),
		Kind: notify.LimitWarn, Person: person, SubjectKind: "person", Subject: person, Team: "sales",
		Limit: "analysts-day", LimitText: "2 TB scanned a day for each person", Threshold: threshold, Percent: 104, Used: "2.08 TB", Allowed: "2 TB",
		Start: noon.Truncate(24 * time.Hour), End: noon.Truncate(24*time.Hour).AddDate(0, 0, 1),
		Queries: []notify.Query{{ID: "7d9c2c4e-0000-4000-8000-000000000001", Started: noon, Bytes: 1 << 40, Cost: "$5.00", Database: "sales", SQL: "SELECT card FROM payments"}},
		Advice:  []string{"name a partition of sales.orders"},
	}
}

func send(t testing.TB, d *notify.Dispatcher, now time.Time, messages ...notify.Message) notify.Result {
	t.Helper()
	r, err := d.Send(t.Context(), now, messages)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustBe(t testing.TB, r notify.Result, want string, problems ...string) {
	t.Helper()
	if r.String() != want {
		t.Errorf("result %q, want %q; problems %v", r.String(), want, r.Problems)
	}
	if len(r.Problems) != len(problems) {
		t.Fatalf("problems %v, want %q", r.Problems, problems)
	}
	for i, p := range problems {
		if !strings.Contains(r.Problems[i].Error(), p) {
			t.Errorf("problem %q, want %q", r.Problems[i], p)
		}
	}
}

func notices(t testing.TB, l *lake.Lake) (list []*athenatrail.Notice) {
	t.Helper()
	for file, err := range lake.Partitions(context.Background(), l, lake.Notices, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for row, err := range lake.Read(context.Background(), l, lake.Notices, file.Partition) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, row)
		}
	}
	return list
}

func TestSentOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() *lake.Lake) {
		var one, two box
		posts := func() []*notify.Post {
			return []*notify.Post{
				post(t, notify.Channel{Name: "one", URL: "slack://x"}, &one),
				post(t, notify.Channel{Name: "two", URL: "generic://x", Kinds: []notify.Kind{notify.LimitBlock}}, &two),
			}
		}
		d := notify.New(open(), posts(), time.UTC)
		block := warning("rosa@example.com", 120)
		block.Kind = notify.LimitBlock
		messages := []notify.Message{warning("jana@example.com", 100), block, warning("rosa@example.com", 100)}
		mustBe(t, send(t, d, noon, messages...), "4 sent")
		letters := one.take()
		if len(letters) != 1 {
			t.Fatalf("%d letters, want one of three messages", len(letters))
		}
		for _, want := range []string{"jana@example.com has reached 100 %", "rosa@example.com can start no queries in Athena until 2026-11-04 00:00 UTC", "rosa@example.com has reached 100 %"} {
			if !strings.Contains(letters[0].Text, want) {
				t.Errorf("the letter lacks %q:\n%s", want, letters[0].Text)
			}
		}
		if n := len(two.take()); n != 1 {
			t.Errorf("%d letters on the other channel, want 1", n)
		}
		// Again, by the same process and by another, and with one more.
		mustBe(t, send(t, d, noon.Add(time.Hour), messages...), "nothing to tell")
		d = notify.New(open(), posts(), time.UTC)
		mustBe(t, send(t, d, noon.Add(2*time.Hour), append(messages, warning("otto@example.com", 50))...), "1 sent")
		if letters := one.take(); len(letters) != 1 || strings.Contains(letters[0].Text, "rosa") {
			t.Errorf("letters %+v", letters)
		}
		for _, n := range notices(t, open()) {
			if n.State != athenatrail.NoticeSent || n.Attempts != 1 || n.Recipient != "box" || n.Sent.Before(noon) {
				t.Errorf("notice %+v", n)
			}
		}
		for p := range lake.Verify(t.Context(), open(), "") {
			t.Errorf("verify: %s", p)
		}
	})
}

func TestTriedAgainAndGivenUp(t *testing.T) {
	l := onDisk(t)
	broken := &box{answers: slices.Repeat([]error{errors.New("503 unavailable")}, 100)}
	well := new(box)
	d := notify.New(l, []*notify.Post{post(t, notify.Channel{Name: "broken", SNS: "x"}, broken), post(t, notify.Channel{Name: "well", SNS: "x"}, well)}, time.UTC)
	// What is broken keeps nothing else from being told.
	mustBe(t, send(t, d, noon, warning("rosa@example.com", 100)), "1 sent, 1 held", "channel broken: 503 unavailable (1 to be sent again)")
	mustBe(t, send(t, d, noon.Add(50*time.Second)), "1 held")
	mustBe(t, send(t, d, noon.Add(61*time.Second)), "1 held", "503")
	mustBe(t, send(t, d, noon.Add(170*time.Second)), "1 held") // two minutes' pause
	mustBe(t, send(t, d, noon.Add(190*time.Second)), "1 held", "503")
	for hour := 1; hour < 24; hour++ {
		mustBe(t, send(t, d, noon.Add(time.Duration(hour)*time.Hour+time.Duration(hour)*time.Minute)), "1 held", "503")
	}
	mustBe(t, send(t, d, noon.Add(25*time.Hour)), "1 given up", "channel broken: 503 unavailable (1 given up)")
	broken.answers = nil
	mustBe(t, send(t, d, noon.Add(26*time.Hour), warning("rosa@example.com", 100)), "nothing to tell")
	for _, n := range notices(t, l) {
		if n.Channel == "broken" && (n.State != athenatrail.NoticeGivenUp || n.Attempts != 27 || n.Error != "503 unavailable") {
			t.Errorf("notice %+v", n)
		}
	}
	if n := len(well.take()); n != 1 {
		t.Errorf("%d letters on the channel that works", n)
	}
}

func TestLater(t *testing.T) {
	b := &box{answers: []error{&notify.Later{Err: errors.New("429"), After: time.Second}}}
	d := notify.New(onDisk(t), []*notify.Post{post(t, notify.Channel{Name: "c", SNS: "x"}, b)}, time.UTC)
	// A moment is waited for in the run, more is not.
	mustBe(t, send(t, d, noon, warning("rosa@example.com", 100)), "1 sent")
	b.answers = []error{&notify.Later{Err: errors.New("429"), After: 10 * time.Minute}}
	mustBe(t, send(t, d, noon, warning("jana@example.com", 100)), "1 held", "429")
	mustBe(t, send(t, d, noon.Add(9*time.Minute)), "1 held")
	mustBe(t, send(t, d, noon.Add(11*time.Minute)), "1 sent")
}

func TestUndeliverableIsGivenUpAlone(t *testing.T) {
	b := &box{answers: []error{&notify.Undeliverable{Err: errors.New("users_not_found")}}}
	d := notify.New(onDisk(t), []*notify.Post{post(t, notify.Channel{Name: "people", Slack: &notify.Slack{To: notify.ToPerson}}, b)}, time.UTC)
	mustBe(t, send(t, d, noon, warning("a@example.com", 100), warning("b@example.com", 100)), "1 sent, 1 given up", "channel people, to a@example.com: users_not_found (1 given up)")
	if l := b.take(); len(l) != 1 || l[0].To != "b@example.com" || !strings.Contains(l[0].Text, "You have reached 100 %") {
		t.Errorf("letters %+v", l)
	}
}

// What waits for a person is not sent once the configuration forbids it.
func TestDomainThatIsNoMore(t *testing.T) {
	l := onDisk(t)
	b := &box{answers: []error{errors.New("503")}}
	c := notify.Channel{Name: "mail", SMTP: &notify.SMTP{To: []string{notify.ToPerson}, Domains: []string{"example.com"}}}
	mustBe(t, send(t, notify.New(l, []*notify.Post{post(t, c, b)}, time.UTC), noon, warning("a@example.com", 100)), "1 held", "503")
	c.SMTP = &notify.SMTP{To: []string{notify.ToPerson}, Domains: []string{"example.net"}}
	mustBe(t, send(t, notify.New(l, []*notify.Post{post(t, c, b)}, time.UTC), noon.Add(time.Hour)), "1 given up", "lets nobody write to that address")
	if letters := b.take(); len(letters) > 0 {
		t.Errorf("sent %+v", letters)
	}
}

// Where runs are rare, a day is not enough of attempts.
func TestFewAttemptsAreNotGivenUp(t *testing.T) {
	b := &box{answers: slices.Repeat([]error{errors.New("503")}, 5)}
	d := notify.New(onDisk(t), []*notify.Post{post(t, notify.Channel{Name: "c", SNS: "x"}, b)}, time.UTC)
	for day := range 4 {
		mustBe(t, send(t, d, noon.AddDate(0, 0, day), warning("a@example.com", 100)), "1 held", "503")
	}
	mustBe(t, send(t, d, noon.AddDate(0, 0, 4)), "1 given up", "503")
}

func TestPartlyIsSent(t *testing.T) {
	b := &box{answers: []error{&notify.Partly{Err: errors.New("no such mailbox")}}}
	d := notify.New(onDisk(t), []*notify.Post{post(t, notify.Channel{Name: "mail", SMTP: &notify.SMTP{To: []string{"a@example.com", "b@example.com"}}}, b)}, time.UTC)
	mustBe(t, send(t, d, noon, warning("a@example.com", 100)), "1 sent", "channel mail: the others were told: no such mailbox")
	mustBe(t, send(t, d, noon.Add(time.Hour)), "nothing to tell")
}

func TestQuietHours(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	b := new(box)
	c := notify.Channel{Name: "c", SNS: "x", Quiet: &notify.QuietHours{From: 20 * 60, To: 7 * 60, Zone: berlin, Weekends: true, Except: []notify.Kind{notify.LimitBlock}}}
	d := notify.New(onDisk(t), []*notify.Post{post(t, c, b)}, time.UTC)
	friday := time.Date(2026, 11, 6, 18, 59, 0, 0, time.UTC) // 19:59 in Berlin
	mustBe(t, send(t, d, friday, warning("a@example.com", 50)), "1 sent")
	mustBe(t, send(t, d, friday.Add(time.Minute), warning("b@example.com", 50)), "1 held")
	block := warning("b@example.com", 120)
	block.Kind = notify.LimitBlock
	mustBe(t, send(t, d, friday.Add(time.Hour), block), "1 sent, 1 held")
	b.take()
	saturday := friday.Add(20 * time.Hour)
	mustBe(t, send(t, d, saturday, warning("c@example.com", 50)), "2 held")
	monday := time.Date(2026, 11, 9, 5, 59, 0, 0, time.UTC) // 06:59
	mustBe(t, send(t, d, monday), "2 held")
	mustBe(t, send(t, d, monday.Add(time.Minute)), "2 sent")
	if l := b.take(); len(l) != 1 || !strings.Contains(l[0].Text, "b@example.com") || !strings.Contains(l[0].Text, "c@example.com") {
		t.Errorf("what was held comes as %d letters", len(l))
	}
	// In summer Berlin is another hour ahead.
	summer := time.Date(2026, 7, 1, 18, 0, 0, 0, time.UTC)
	m := warning("d@example.com", 50)
	m.At = summer
	mustBe(t, send(t, d, summer, m), "1 held")
}

func TestProcessThatEndedInTheMiddle(t *testing.T) {
	l := onDisk(t)
	gone := notify.New(l, []*notify.Post{{Channel: notify.Channel{Name: "c", SNS: "x"}, Renderer: renderer(t), Open: func(context.Context) (notify.Sender, error) { return died{}, nil }}}, time.UTC)
	func() {
		defer func() { recover() }()
		gone.Send(t.Context(), noon, []notify.Message{warning("a@example.com", 100)})
	}()
	b := new(box)
	d := notify.New(l, []*notify.Post{post(t, notify.Channel{Name: "c", SNS: "x"}, b)}, time.UTC)
	mustBe(t, send(t, d, noon.Add(time.Minute)), "1 being sent by another process")
	mustBe(t, send(t, d, noon.Add(3*time.Minute)), "1 sent")
	if n := notices(t, l)[0]; n.Attempts != 2 {
		t.Errorf("notice %+v", n)
	}
}

// died ends the goroutine that sends, as a kill ends the process.
type died struct{}

func (died) Send(context.Context, *notify.Letter) (string, error) { panic("killed") }

func renderer(t testing.TB) *notify.Renderer {
	t.Helper()
	r, err := notify.NewRenderer(notify.Templates{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A clock that was ahead and is set back keeps nothing for longer than an hour.
func TestClockThatJumpsBack(t *testing.T) {
	l := onDisk(t)
	b := &box{answers: []error{errors.New("503")}}
	d := notify.New(l, []*notify.Post{post(t, notify.Channel{Name: "c", SNS: "x"}, b)}, time.UTC)
	mustBe(t, send(t, d, noon.Add(12*time.Hour), warning("a@example.com", 100)), "1 held", "503")
	mustBe(t, send(t, d, noon), "1 sent")
}

func TestStoppedWhileSending(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() *lake.Lake) {
		ctx, cancel := context.WithCancel(t.Context())
		l := open()
		d := notify.New(l, []*notify.Post{post(t, notify.Channel{Name: "c", SNS: "x"}, stops(cancel))}, time.UTC)
		if _, err := d.Send(ctx, noon, []notify.Message{warning("a@example.com", 100)}); err != nil {
			t.Errorf("error %v, although all was sent", err)
		}
		if n := notices(t, l)[0]; n.State != athenatrail.NoticeSent {
			t.Errorf("what was sent is not marked: %+v", n)
		}
	})
}

// stops is a sender during whose work the run is told to stop.
type stops context.CancelFunc

func (s stops) Send(context.Context, *notify.Letter) (string, error) {
	s()
	return "box", nil
}

// A lake that is a year behind has news of a year ago.
func TestOldNewsIsTriedAgain(t *testing.T) {
	l := onDisk(t)
	b := &box{answers: []error{errors.New("503")}}
	c := notify.Channel{Name: "c", SNS: "x"}
	m := warning("a@example.com", 100)
	m.At = m.At.AddDate(-1, 0, 0)
	mustBe(t, send(t, notify.New(l, []*notify.Post{post(t, c, b)}, time.UTC), noon, m), "1 held", "503")
	mustBe(t, send(t, notify.New(l, []*notify.Post{post(t, c, b)}, time.UTC), noon.Add(time.Hour)), "1 sent")
}

func TestChannelThatIsNoMore(t *testing.T) {
	l := onDisk(t)
	b := &box{answers: []error{errors.New("503")}}
	send(t, notify.New(l, []*notify.Post{post(t, notify.Channel{Name: "old", SNS: "x"}, b)}, time.UTC), noon, warning("a@example.com", 100))
	d := notify.New(l, nil, time.UTC)
	mustBe(t, send(t, d, noon.Add(24*time.Hour)), "1 held")
	mustBe(t, send(t, d, noon.Add(8*24*time.Hour)), "1 given up", "channel old: the configuration has no such channel any more")
	mustBe(t, send(t, d, noon.Add(9*24*time.Hour)), "nothing to tell")
}

func TestForWhom(t *testing.T) {
	role := warning("nightly-etl", 100)
	other := warning("eve@evil.example", 100)
	digest := notify.Message{Key: "digest", At: noon, Kind: notify.Digest, Headline: "the week"}
	for name, tt := range map[string]struct {
		channel notify.Channel
		want    string
	}{
		"all":     {notify.Channel{SNS: "x"}, "rosa role eve digest"},
		"kinds":   {notify.Channel{SNS: "x", Kinds: []notify.Kind{notify.Digest}}, "digest"},
		"limits":  {notify.Channel{SNS: "x", Limits: []string{"other-*"}}, "digest"},
		"limit":   {notify.Channel{SNS: "x", Limits: []string{"analysts-*"}}, "rosa role eve digest"},
		"teams":   {notify.Channel{SNS: "x", Teams: []string{"s*"}}, "rosa role eve"},
		"team":    {notify.Channel{SNS: "x", Teams: []string{"growth"}}, ""},
		"slack":   {notify.Channel{Slack: &notify.Slack{To: notify.ToPerson}}, "rosa eve"},
		"domains": {notify.Channel{SMTP: &notify.SMTP{To: []string{notify.ToPerson}, Domains: []string{"example.com"}}}, "rosa"},
	} {
		b := new(box)
		tt.channel.Name = "c"
		d := notify.New(onDisk(t), []*notify.Post{post(t, tt.channel, b)}, time.UTC)
		send(t, d, noon, warning("rosa@example.com", 100), role, other, digest)
		var got []string
		for _, word := range []string{"rosa", "role", "eve", "digest"} {
			key := map[string]string{"rosa": "person/rosa@", "role": "nightly-etl", "eve": "eve@", "digest": "digest"}[word]
			if slices.ContainsFunc(notices(t, notify.LakeOf(d)), func(n *athenatrail.Notice) bool { return strings.Contains(n.MessageKey, key) }) {
				got = append(got, word)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: told %q, want %q", name, got, tt.want)
		}
	}
	mustBe(t, send(t, notify.New(onDisk(t), nil, time.UTC), noon, role), "1 for which there is no channel")
}

// SQL is told where it may be, and stored nowhere.
func TestSQLIsNotStored(t *testing.T) {
	l := onDisk(t)
	shows, hides := new(box), &box{answers: []error{nil}}
	d := notify.New(l, []*notify.Post{post(t, notify.Channel{Name: "shows", SNS: "x", SQL: true}, shows), post(t, notify.Channel{Name: "hides", SNS: "x"}, hides)}, time.UTC)
	send(t, d, noon, warning("a@example.com", 100))
	if !strings.Contains(shows.take()[0].Text, "SELECT card") {
		t.Error("a channel that shows SQL lacks it")
	}
	if strings.Contains(hides.take()[0].Text, "SELECT card") {
		t.Error("a channel that is not told to shows SQL")
	}
	for _, n := range notices(t, l) {
		if strings.Contains(n.Message, "SELECT") || strings.Contains(n.Message, "card") {
			t.Errorf("stored: %s", n.Message)
		}
	}
}

// Pictures are kept for as long as they may have to be sent.
func TestPicturesAreKeptUntilSent(t *testing.T) {
	l := onDisk(t)
	b := &box{answers: []error{errors.New("503")}}
	d := notify.New(l, []*notify.Post{post(t, notify.Channel{Name: "c", SNS: "x"}, b)}, time.UTC)
	m := notify.Message{Key: "digest", At: noon, Kind: notify.Digest, Headline: "the week", Text: "rosa 1", HTML: "<p>rosa</p>", Pictures: []notify.Picture{{Name: "bars", PNG: []byte("png")}}}
	send(t, d, noon, m)
	send(t, notify.New(l, []*notify.Post{post(t, notify.Channel{Name: "c", SNS: "x"}, b)}, time.UTC), noon.Add(time.Hour))
	if letters := b.take(); len(letters) != 1 || len(letters[0].Pictures) != 1 || !strings.Contains(letters[0].HTML, "<p>rosa</p>") {
		t.Fatalf("letters %+v", letters)
	}
	if got := notices(t, l)[0].Message; strings.Contains(got, "PNG") || strings.Contains(got, "<p>") || !strings.Contains(got, "rosa 1") {
		t.Errorf("stored %s", got)
	}
}

func TestSeveralInOneProcess(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() *lake.Lake) {
		b := &box{slow: 20 * time.Millisecond}
		var wg sync.WaitGroup
		for range 8 {
			d := notify.New(open(), []*notify.Post{post(t, notify.Channel{Name: "c", SNS: "x"}, b)}, time.UTC)
			wg.Go(func() {
				if _, err := d.Send(t.Context(), noon, []notify.Message{warning("a@example.com", 100), warning("b@example.com", 100)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		count := map[string]int{}
		for _, l := range b.take() {
			for _, who := range []string{"a@example.com has", "b@example.com has"} {
				count[who] += strings.Count(l.Text, who)
			}
		}
		if count["a@example.com has"] != 1 || count["b@example.com has"] != 1 {
			t.Errorf("told %v times", count)
		}
	})
}
