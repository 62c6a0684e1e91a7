package config

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail/internal/notify"
)

func TestNotifyErrors(t *testing.T) {
	const mail = "version: 1\nnotify:\n  - name: mail\n    smtp: {server: \"mail.example.com:25\", from: athenatrail@example.com, to: "
	for _, tt := range []struct{ text, want string }{
		{"  - name: a\n", `athenatrail.yaml:3:5: notify[0]: want one of url, sns, slack and smtp`},
		{"  - name: a\n    url: slack://x/y/z\n    sns: arn:aws:sns:eu-west-1:111122223333:t\n", `athenatrail.yaml:3:5: notify[0]: want one of url, sns, slack and smtp`},
		{"  - name: A b\n    sns: arn:aws:sns:eu-west-1:111122223333:t\n", `athenatrail.yaml:3:11: notify[0].name: want a name of small letters, digits and hyphens, at most 40, such as data-platform`},
		{"  - name: a\n    url: slak://tok-12345\n", `athenatrail.yaml:4:10: notify[0].url: scheme "slak": want one of bark, discord`},
		{"  - name: a\n    url: https://hooks.example.com/hush-hush\n", `athenatrail.yaml:4:10: notify[0].url: scheme https: want a service's, such as slack://; a plain webhook is generic+https://`},
		{"  - name: a\n    url: \"slack://hush-hush%zz@x\"\n", `athenatrail.yaml:4:10: notify[0].url: not a URL that can be read (it is not repeated here, because it holds a secret): want it as docs/notifications.md has it`},
		{"  - name: a\n    url: xoxb-hush-hush\n", `athenatrail.yaml:4:10: notify[0].url: want a URL such as slack://..., or where it is: env:NAME, file:PATH, ssm:/NAME`},
		{"  - name: a\n    url: env:not-a-name\n", `athenatrail.yaml:4:10: notify[0].url: want env: and the name of an environment variable`},
		{"  - name: a\n    url: [hush-hush]\n", `athenatrail.yaml:4:10: notify[0].url: want one value: the secret, or where it is: env:NAME, file:PATH or ssm:/NAME`},
		{"  - name: a\n    sns: athena-limits\n", `athenatrail.yaml:4:10: notify[0].sns: want the ARN of a topic such as arn:aws:sns:eu-west-1:111122223333:athena-limits`},
		{"  - name: a\n    sns: arn:aws:sns:eu-west-1:111122223333:t\n  - name: a\n    sns: arn:aws:sns:eu-west-1:111122223333:t\n", `athenatrail.yaml:5:11: notify[1]: a channel called a stands here twice`},
		{"  - name: a\n    sns: arn:aws:sns:eu-west-1:111122223333:t\n    kinds: [warn]\n", `athenatrail.yaml:5:12: notify[0].kinds: "warn": want one of limit_warn, limit_stop, limit_block, limit_lift, anomaly, digest, test`},
		{"  - name: a\n    sns: arn:aws:sns:eu-west-1:111122223333:t\n    quiet_hours: {from: \"20:00\", to: \"07:00\", timezone: Mars/Olympus}\n", `athenatrail.yaml:5:57: notify[0].quiet_hours.timezone "Mars/Olympus": want a time zone such as UTC or Europe/Paris`},
		{"  - name: a\n    sns: arn:aws:sns:eu-west-1:111122223333:t\n    quiet_hours: {from: 8 pm, to: \"07:00\"}\n", `athenatrail.yaml:5:25: notify[0].quiet_hours.from "8 pm": want a time of day in quotes, such as "20:00"`},
		{"  - name: a\n    sns: arn:aws:sns:eu-west-1:111122223333:t\n    quiet_hours: {from: \"20:00\", to: \"20:00\"}\n", `athenatrail.yaml:5:19: notify[0].quiet_hours: want from and to, such as from: "20:00" and to: "07:00", or weekends: true`},
		{"  - name: a\n    slack: {to: person}\n", `athenatrail.yaml:4:13: notify[0].slack: no token: want where the bot's token is, such as file:/run/secrets/slack`},
		{"  - name: a\n    slack: {token: \"file:t\", to: \"#general\"}\n", `athenatrail.yaml:4:34: notify[0].slack.to: want person, or the id of a conversation such as C0123456789`},
		{"  - name: a\n    sns: arn:aws:sns:eu-west-1:111122223333:t\n    sql: true\nquery_text: fingerprint_only\n", `athenatrail.yaml:5:10: notify[0].sql: there is no SQL to show, because query_text is fingerprint_only`},
		{mail + "person}\n", `athenatrail.yaml:4:12: notify[0].smtp: to person without domains: want those that mail may go to`},
		{mail + "\"a@example.com\\r\\nBcc: b@example.com\"}\n", `want a text of one line`},
		{mail + "\"a@example.com, b@example.com\"}\n", `notify[0].smtp.to: "a@example.com, b@example.com": want addresses such as team@example.com, or person alone`},
		{mail + "a@example.com, tls: none, username: u, password: hush-hush}\n", `notify[0].smtp.tls: none: a password is not sent without TLS`},
		{mail + "a@example.com, username: u}\n", `notify[0].smtp: username and password belong together`},
	} {
		text := tt.text
		if !strings.HasPrefix(text, "version") {
			text = "version: 1\nnotify:\n" + text
		}
		_, err := load(t, text, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q:\n error %v\n want  %s", text, err, tt.want)
		} else if strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: the error repeats a secret: %v", text, err)
		}
	}
}

func TestNotifyTemplatesAreTried(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"syntax":   {"one\n{{range .Messages}}\n", `bad.tmpl:3: unexpected EOF`},
		"function": {"one\ntwo {{shout .Channel}}\n", `bad.tmpl:2: function "shout" not defined`},
		"field":    {"{{range .Messages}}{{if eq .Kind \"limit_block\"}}\n{{.Headlin}}{{end}}{{end}}", `bad.tmpl:2:2: executing`},
		"missing":  {"", `no such file or directory`},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "bad.tmpl")
		if name != "missing" {
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, part := range []string{"text", "html", "subject"} {
			_, err := load(t, "version: 1\nnotify:\n  - name: a\n    sns: arn:aws:sns:eu-west-1:111122223333:t\n    templates: {"+part+": "+file+"}\n", nil)
			if err == nil || !strings.Contains(err.Error(), "athenatrail.yaml:5:17: notify[0].templates: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s %s: error %v, want %s", name, part, err, tt.want)
			}
		}
	}
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) notify.Secret {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return notify.Secret("file:" + path)
	}
	t.Setenv("ATHENA_TEST_SECRET", "from the environment")
	c := &Config{}
	for secret, want := range map[notify.Secret]string{
		"slack://hush@x":                "slack://hush@x",
		"env:ATHENA_TEST_SECRET":        "from the environment",
		write("token", "from a file\n"): "from a file",
	} {
		if got, err := c.Secret(t.Context(), secret, ""); err != nil || got != want {
			t.Errorf("%s: %q, %v", secret, got, err)
		}
	}
	for secret, want := range map[notify.Secret]string{
		"env:ATHENA_TEST_NO_SECRET":            "read the secret env:ATHENA_TEST_NO_SECRET: the variable is not set",
		"file:" + notify.Secret(dir) + "/none": "no such file or directory",
		write("empty", " \n"):                  "it is empty",
		write("two", "hush\nhush\n"):           "want one line",
	} {
		if _, err := c.Secret(t.Context(), secret, ""); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %s", secret, err, want)
		}
	}
}

func TestSecretOfTheParameterStore(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), `"/athenatrail/slack"`) && strings.Contains(string(body), `"WithDecryption":true`):
			io.WriteString(w, `{"Parameter":{"Name":"/athenatrail/slack","Value":"hush-hush"}}`)
		default:
			w.WriteHeader(400)
			io.WriteString(w, `{"__type":"ParameterNotFound"}`)
		}
	}))
	defer server.Close()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL_SSM": server.URL, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull} {
		t.Setenv(name, value)
	}
	c := &Config{Regions: []string{"eu-west-1"}}
	if got, err := c.Secret(t.Context(), "ssm:/athenatrail/slack", "athenatrail/test"); err != nil || got != "hush-hush" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.Secret(t.Context(), "ssm:/athenatrail/none", "athenatrail/test"); err == nil || !strings.HasPrefix(err.Error(), "read the secret ssm:/athenatrail/none: ") {
		t.Errorf("error %v", err)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	c, err := load(t, "version: 1\nnotify:\n  - {name: a, url: \"slack://hush@hush\"}\n  - {name: b, slack: {token: xoxb-hush, to: person}}\n"+
		"  - {name: c, smtp: {server: \"m:25\", from: a@example.com, to: b@example.com, username: u, password: hush}}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, v := range c.Values() {
		if strings.Contains(v.Value, "hush") {
			t.Errorf("%s shows a secret", v.Key)
		}
		shown[v.Key] = v.Value
	}
	for key, want := range map[string]string{"notify[0].url": "slack://********", "notify[1].slack.token": "********", "notify[2].smtp.password": "********"} {
		if shown[key] != want {
			t.Errorf("%s is %q, want %q", key, shown[key], want)
		}
	}
}
