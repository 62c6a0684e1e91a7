package carrier

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"

	"github.com/athenatrail/athenatrail/internal/mailtest"
	"github.com/athenatrail/athenatrail/internal/mototest"
	"github.com/athenatrail/athenatrail/internal/notify"
)

// trusted is the certificate that programs of this test take for an
// authority's: the system's pool is read once in a process.
var trusted *mailtest.Certificate

func TestMain(m *testing.M) {
	var err error
	if trusted, err = mailtest.NewCertificate(); err == nil {
		var dir string
		if dir, err = os.MkdirTemp("", "carrier"); err == nil {
			defer os.RemoveAll(dir)
			file := filepath.Join(dir, "ca.pem")
			err = errors.Join(os.WriteFile(file, trusted.PEM, 0o600), os.Setenv("SSL_CERT_FILE", file))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	m.Run()
}

// literal are options for channels whose secrets stand there themselves.
var literal = Options{Secret: func(_ context.Context, s notify.Secret) (string, error) { return string(s), nil }}

func open(t *testing.T, c notify.Channel, o Options) notify.Sender {
	t.Helper()
	if wrong := c.Check(); len(wrong) > 0 && !strings.Contains(wrong[0].Msg, "want a name") {
		t.Fatal(wrong[0])
	}
	s, err := Open(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var letter = &notify.Letter{
	Subject: "rosa has reached 100 %", Title: "rosa has reached 100 %", Text: "rosa has reached 100 %\nlimit: day", HTML: "<p>rosa</p>", ID: "0123456789abcdef",
	Kinds: []notify.Kind{notify.LimitWarn},
}

// A server answers what it is told to, and keeps what it got.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	got     []*http.Request
	bodies  []string
	answers []func(w http.ResponseWriter, r *http.Request) // of the next requests; then 200
}

func newServer(t *testing.T) *server {
	s := new(server)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got, s.bodies = append(s.got, r), append(s.bodies, string(body))
		var answer func(http.ResponseWriter, *http.Request)
		if len(s.answers) > 0 {
			answer, s.answers = s.answers[0], s.answers[1:]
		}
		s.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *server) answer(all ...func(http.ResponseWriter, *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = all
}

func status(code int, headers ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}

// hook is the URL of a channel for a server, with a secret in it.
func (s *server) hook() notify.Secret {
	return notify.Secret("generic" + strings.TrimPrefix(s.URL, "http") + "/hook/hush-hush-token?disabletls=yes&template=json")
}

func TestWebhook(t *testing.T) {
	s := newServer(t)
	sender := open(t, notify.Channel{Name: "hook", URL: s.hook()}, literal)
	if to, err := sender.Send(t.Context(), letter); err != nil || to != "generic" {
		t.Fatalf("%q, %v", to, err)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(s.bodies[0]), &got); err != nil || got["message"] != letter.Text || got["title"] != letter.Title || s.got[0].URL.Path != "/hook/hush-hush-token" {
		t.Errorf("%s got %q, %v", s.got[0].URL, s.bodies[0], err)
	}

	s.answer(status(500))
	_, err := sender.Send(t.Context(), letter)
	var later *notify.Later
	if err == nil || errors.As(err, &later) || !strings.Contains(err.Error(), "500") {
		t.Errorf("500: %v", err)
	}
	for _, tt := range []struct {
		code  int
		value string
		want  time.Duration
	}{{429, "7", 7 * time.Second}, {503, "3600", time.Hour}, {429, "", 0}, {429, "soon", 0}, {429, "-5", 0}} {
		s.answer(status(tt.code, "Retry-After", tt.value))
		_, err := sender.Send(t.Context(), letter)
		if !errors.As(err, &later) || later.After != tt.want {
			t.Errorf("%d with Retry-After %q: %v, after %v", tt.code, tt.value, err, later)
		}
		later = nil
	}
	// The date's form, which is to the second.
	s.answer(status(429, "Retry-After", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)))
	if _, err := sender.Send(t.Context(), letter); !errors.As(err, &later) || later.After < 50*time.Second || later.After > time.Minute {
		t.Errorf("Retry-After with a date: %v", err)
	}
	// A service that answered 429 before does not make another's failure one.
	later = nil
	s.answer(status(400))
	if _, err := sender.Send(t.Context(), letter); err == nil || errors.As(err, &later) {
		t.Errorf("400: %v", err)
	}
}

func TestWebhookThatStalls(t *testing.T) {
	s := newServer(t)
	s.answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := open(t, notify.Channel{Name: "hook", URL: s.hook()}, literal).Send(ctx, letter)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// The message goes where the configuration says and nowhere else.
func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere, s := newServer(t), newServer(t)
	for _, code := range []int{301, 302, 307, 308} {
		s.answer(status(code, "Location", elsewhere.URL+"/steal"))
		if _, err := open(t, notify.Channel{Name: "hook", URL: s.hook()}, literal).Send(t.Context(), letter); err == nil || !strings.Contains(err.Error(), "not followed") {
			t.Errorf("%d: %v", code, err)
		}
	}
	if len(elsewhere.got) > 0 {
		t.Errorf("followed to %s", elsewhere.got[0].URL)
	}
}

// No error says a secret, whatever goes wrong.
func TestErrorsHoldNoSecret(t *testing.T) {
	s := newServer(t)
	gone := newServer(t)
	gone.Close()
	for _, u := range []notify.Secret{
		s.hook(), gone.hook(), "generic://user:hush-hush@127.0.0.1:1/hush-hush?disabletls=yes", "slack://hush-hush-token@webhook", "slack://hook:hushhushh-hushhushh-hushhushhushhushhushhush@webhook",
		"discord://hush-hush@hush", "telegram://hush-hush@telegram?chats=@hush", "teams://hush-hush@hush/hush/hush?host=hush.webhook.office.com", "pagerduty://hush-hush-hush@127.0.0.1:1",
		"smtp://user:hush-hush@127.0.0.1:1/?from=a@example.com&to=b@example.com", "gotify://127.0.0.1:1/hush-hush",
	} {
		s.answer(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(403)
			fmt.Fprintf(w, "you sent %s", r.URL)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		c := notify.Channel{Name: "c", URL: u}
		sender, err := Open(ctx, c, literal)
		if err == nil && strings.Contains(string(u), "127.0.0.1") {
			_, err = sender.Send(ctx, letter)
			if err == nil {
				t.Errorf("%s: no error", u.Scheme())
			}
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", u.Scheme(), err)
		}
		cancel()
	}
	s.answer(nil)
}

// The services that a configuration may name are those of shoutrrr, but for
// the one that only logs.
func TestServicesAreShoutrrrs(t *testing.T) {
	known := map[string]bool{"logger": true}
	for _, name := range notify.Services() {
		known[name] = true
	}
	theirs := map[string]bool{}
	for _, name := range new(router.ServiceRouter).ListServices() {
		theirs[name] = true
		if !known[name] {
			t.Errorf("shoutrrr has %s, a configuration may not name it", name)
		}
	}
	for name := range known {
		if !theirs[name] {
			t.Errorf("a configuration may name %s, shoutrrr does not have it", name)
		}
	}
}

// A slackServer answers as Slack's Web API does.
func slackServer(t *testing.T) *server {
	s := newServer(t)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ParseForm()
		s.mu.Lock()
		s.got, s.bodies = append(s.got, r), append(s.bodies, string(body))
		var answer func(http.ResponseWriter, *http.Request)
		if len(s.answers) > 0 {
			answer, s.answers = s.answers[0], s.answers[1:]
		}
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		token := r.Form.Get("token")
		if header, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			token = header
		}
		switch {
		case answer != nil:
			answer(w, r)
		case token != "xoxb-hush-hush":
			io.WriteString(w, `{"ok":false,"error":"invalid_auth"}`)
		case r.URL.Path == "/api/auth.test":
			io.WriteString(w, `{"ok":true,"user":"athenatrail","team":"Example"}`)
		case r.URL.Path == "/api/users.lookupByEmail" && r.Form.Get("email") == "rosa@example.com":
			io.WriteString(w, `{"ok":true,"user":{"id":"U0123ROSA","name":"rosa"}}`)
		case r.URL.Path == "/api/users.lookupByEmail" && r.Form.Get("email") == "gone@example.com":
			io.WriteString(w, `{"ok":true,"user":{"id":"U0123GONE","name":"gone","deleted":true}}`)
		case r.URL.Path == "/api/users.lookupByEmail":
			io.WriteString(w, `{"ok":false,"error":"users_not_found"}`)
		case r.URL.Path == "/api/chat.postMessage" && (r.Form.Get("channel") == "U0123ROSA" || r.Form.Get("channel") == "C0123456789"):
			io.WriteString(w, `{"ok":true,"channel":"D1","ts":"1.1"}`)
		case r.URL.Path == "/api/chat.postMessage":
			io.WriteString(w, `{"ok":false,"error":"channel_not_found"}`)
		default:
			w.WriteHeader(404)
		}
	})
	return s
}

func TestSlack(t *testing.T) {
	s := slackServer(t)
	channel := func(to, token string) notify.Channel {
		return notify.Channel{Name: "c", Slack: &notify.Slack{Token: notify.Secret(token), To: to, API: s.URL + "/api/"}}
	}
	person := open(t, channel(notify.ToPerson, "xoxb-hush-hush\n"), literal)
	to := func(address string) *notify.Letter {
		l := *letter
		l.To = address
		return &l
	}
	if who, err := person.Send(t.Context(), to("rosa@example.com")); err != nil || who != "rosa@example.com (U0123ROSA)" {
		t.Fatalf("%q, %v", who, err)
	}
	form, _ := url.ParseQuery(s.bodies[len(s.bodies)-1])
	if form.Get("text") != letter.Text || form.Get("unfurl_links") != "false" || form.Get("channel") != "U0123ROSA" {
		t.Errorf("posted %v", form)
	}
	var gone *notify.Undeliverable
	for _, address := range []string{"nobody@example.com", "gone@example.com"} {
		if _, err := person.Send(t.Context(), to(address)); !errors.As(err, &gone) {
			t.Errorf("%s: %v", address, err)
		}
		gone = nil
	}
	if who, err := open(t, channel("C0123456789", "xoxb-hush-hush"), literal).Send(t.Context(), letter); err != nil || who != "C0123456789" {
		t.Errorf("%q, %v", who, err)
	}
	// Somebody has to invite the bot: it is tried again.
	if _, err := open(t, channel("C0000000000", "xoxb-hush-hush"), literal).Send(t.Context(), letter); err == nil || errors.As(err, &gone) || !strings.Contains(err.Error(), "channel_not_found") {
		t.Errorf("a channel that the bot is not in: %v", err)
	}
	s.answer(status(429, "Retry-After", "30"))
	var later *notify.Later
	if _, err := person.Send(t.Context(), to("rosa@example.com")); !errors.As(err, &later) || later.After != 30*time.Second {
		t.Errorf("429: %v", err)
	}
	s.answer(status(500))
	if _, err := person.Send(t.Context(), to("rosa@example.com")); err == nil {
		t.Error("500: no error")
	}
	s.answer(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"ok":false,"error":"missing_scope","needed":"users:read.email","provided":"chat:write"}`)
	})
	if _, err := person.Send(t.Context(), to("rosa@example.com")); err == nil || !strings.Contains(err.Error(), "the token lacks the scope users:read.email") {
		t.Errorf("missing scope: %v", err)
	}
	s.answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := person.Send(ctx, to("rosa@example.com")); err == nil {
		t.Error("a service that stalls: no error")
	}
	if what, err := Check(t.Context(), channel(notify.ToPerson, "xoxb-hush-hush"), literal); err != nil || what != "the token is athenatrail's in Example" {
		t.Errorf("check: %q, %v", what, err)
	}
	if _, err := Check(t.Context(), channel(notify.ToPerson, "xoxb-hush-other"), literal); err == nil || !strings.Contains(err.Error(), "invalid_auth") || strings.Contains(err.Error(), "hush") {
		t.Errorf("check: %v", err)
	}
}

func TestTopic(t *testing.T) {
	endpoint := mototest.Start(t)
	cfg := mototest.Config(endpoint, "eu-west-1")
	made, err := sns.NewFromConfig(cfg).CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("athena-limits")})
	if err != nil {
		t.Fatal(err)
	}
	queues := sqs.NewFromConfig(cfg)
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("told")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sns.NewFromConfig(cfg).Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:eu-west-1:" + mototest.Account + ":told"),
		Attributes: map[string]string{"FilterPolicy": `{"kind":["limit_warn"]}`},
	})
	if err != nil {
		t.Fatal(err)
	}
	var region string
	o := Options{AWS: func(_ context.Context, r string) (aws.Config, error) {
		region = r
		return cfg, nil
	}}
	sender := open(t, notify.Channel{Name: "t", SNS: *made.TopicArn}, o)
	l := *letter
	l.Subject = "röt\nfür " + strings.Repeat("x", 200)
	if to, err := sender.Send(t.Context(), &l); err != nil || to != *made.TopicArn || region != "eu-west-1" {
		t.Fatalf("%q in %s, %v", to, region, err)
	}
	l.Kinds = []notify.Kind{notify.Digest} // which the subscription does not want
	if _, err := sender.Send(t.Context(), &l); err != nil {
		t.Fatal(err)
	}
	got, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10})
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("%d messages, %v", len(got.Messages), err)
	}
	var told struct{ Subject, Message string }
	if err := json.Unmarshal([]byte(*got.Messages[0].Body), &told); err != nil || told.Message != letter.Text || !strings.HasPrefix(told.Subject, "r?t?f?r x") || len(told.Subject) > 100 {
		t.Errorf("told %+v, %v", told, err)
	}
	missing := open(t, notify.Channel{Name: "t", SNS: "arn:aws:sns:eu-west-1:" + mototest.Account + ":none"}, o)
	if _, err := missing.Send(t.Context(), letter); err == nil || !strings.Contains(err.Error(), "publish to arn:aws:sns:eu-west-1:"+mototest.Account+":none: ") {
		t.Errorf("a topic that there is not: %v", err)
	}
}

func mailChannel(s *mailtest.Server, to ...string) notify.Channel {
	return notify.Channel{Name: "mail", SMTP: &notify.SMTP{
		Server: s.Address, From: "athenatrail@example.com", To: to, Domains: []string{"example.com"}, TLS: notify.NoTLS,
	}}
}

func TestMail(t *testing.T) {
	s := mailtest.Start(t, nil)
	l := *letter
	l.Subject = "rösa has reached 100 %\r\nBcc: eve@example.com"
	l.Text = "first\n.\nlast ü " + strings.Repeat("long ", 300)
	l.HTML = `<p>rösa <img src="cid:chart" alt=""></p>`
	l.Pictures = []notify.Picture{{Name: "chart", PNG: bytes.Repeat([]byte{0x89, 'P', 'N', 'G', 0}, 100)}}
	to, err := open(t, mailChannel(s, "rosa@example.com", mailtest.Nobody+"@example.com", "otto@example.com"), literal).Send(t.Context(), &l)
	var partly *notify.Partly
	if !errors.As(err, &partly) || to != "rosa@example.com, otto@example.com" || !strings.Contains(err.Error(), "send to nobody@example.com: 550 ") {
		t.Fatalf("%q, %v", to, err)
	}
	mails := s.Mails(t, 2)
	if len(mails) != 2 || mails[0].To == mails[1].To || mails[0].Header.Get("Message-Id") != mails[1].Header.Get("Message-Id") {
		t.Fatalf("%d mails, want one to two people", len(mails))
	}
	m := mails[0]
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != l.Subject || m.Header.Get("Bcc") != "" || m.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("headers %v, %v", m.Header, err)
	}
	text, html, pictures := partsOf(t, m.Header.Get("Content-Type"), m.Body)
	if strings.ReplaceAll(text, "\r\n", "\n") != l.Text || html != l.HTML || len(pictures) != 1 || !bytes.Equal(pictures["<chart>"], l.Pictures[0].PNG) {
		t.Errorf("text %q, HTML %q, pictures %v", text, html, pictures)
	}
	for line := range bytes.Lines(m.Raw) {
		if len(line) > 200 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

// partsOf takes a mail apart.
func partsOf(t *testing.T, contentType string, body io.Reader) (text, html string, pictures map[string][]byte) {
	t.Helper()
	pictures = map[string][]byte{}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	for r := multipart.NewReader(body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return text, html, pictures
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		switch kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind {
		case "text/plain":
			text = decoded(t, data)
		case "text/html":
			html = decoded(t, data)
		case "multipart/related":
			_, html, pictures = partsOf(t, part.Header.Get("Content-Type"), bytes.NewReader(data))
		case "image/png":
			png, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(data)))
			if err != nil {
				t.Fatal(err)
			}
			pictures[part.Header.Get("Content-Id")] = png
		}
	}
}

func decoded(t *testing.T, data []byte) string {
	t.Helper()
	out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestMailToOnePerson(t *testing.T) {
	s := mailtest.Start(t, nil)
	sender := open(t, mailChannel(s, notify.ToPerson), literal)
	for address, want := range map[string]bool{
		"rosa@example.com": true, mailtest.Nobody + "@example.com": false, "rosa@example.com\r\nRCPT TO:<eve@example.com>": false,
	} {
		l := *letter
		l.To = address
		_, err := sender.Send(t.Context(), &l)
		var gone *notify.Undeliverable
		if want && err != nil || !want && !errors.As(err, &gone) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if mails := s.Mails(t, 1); len(mails) != 1 || mails[0].To != "rosa@example.com" {
		t.Errorf("mails %+v", mails)
	}
}

func TestMailWithTLSAndPassword(t *testing.T) {
	s := mailtest.Start(t, trusted)
	c := mailChannel(s, "rosa@example.com")
	c.SMTP.TLS, c.SMTP.Username, c.SMTP.Password = notify.StartTLS, mailtest.Username, mailtest.Password
	if what, err := Check(t.Context(), c, literal); err != nil || what != "the mail server takes the password" {
		t.Errorf("check: %q, %v", what, err)
	}
	if _, err := open(t, c, literal).Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	if m := s.Mails(t, 1)[0]; !strings.Contains(m.Header.Get("Received"), "esmtpsa") {
		t.Errorf("received %q", m.Header.Get("Received"))
	}
	c.SMTP.Password = "wrong-hush"
	_, err := open(t, c, literal).Send(t.Context(), letter)
	var gone *notify.Undeliverable
	if err == nil || errors.As(err, &gone) || !strings.Contains(err.Error(), "sign in: 535") || strings.Contains(err.Error(), "hush") {
		t.Errorf("a wrong password: %v", err)
	}
	// Whoever stands between and hides STARTTLS gets nothing.
	plain := mailtest.Start(t, nil)
	c.SMTP.Server = plain.Address
	if _, err := open(t, c, literal).Send(t.Context(), letter); err == nil || !strings.Contains(err.Error(), "it offers no STARTTLS") {
		t.Errorf("a server without STARTTLS: %v", err)
	}
}

func TestMailServerThatStalls(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := mailChannel(&mailtest.Server{Address: l.Addr().String()}, "rosa@example.com")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := open(t, c, literal).Send(ctx, letter); err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}
