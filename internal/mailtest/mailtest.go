// Package mailtest starts a mail server for a test: Debian's exim, on a free
// port of the loopback interface, which puts all mail that it takes into a
// folder. It wants TLS or not, and a password or not, as the test says.
package mailtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	binary = "exim4"

	// ForbidSkip is the environment variable that makes a missing server a
	// failure. CI sets it to 1.
	ForbidSkip = "ATHENATRAIL_FORBID_SKIP"

	// Nobody is the local part of addresses that the server refuses.
	Nobody = "nobody"

	// Username and Password are those that the server knows.
	Username, Password = "athenatrail", "correct-horse"
)

// A Server is one that runs.
type Server struct {
	Address string // 127.0.0.1:PORT
	dir     string
}

// Start runs a server until the test ends. With a certificate it offers
// STARTTLS, and then takes a password. Where exim is not installed the test is
// skipped, or fails if [ForbidSkip] is set to 1.
func Start(t testing.TB, c *Certificate) *Server {
	t.Helper()
	path, err := find()
	if err != nil {
		message := fmt.Sprintf("no mail server: %v; install it with scripts/install-test-servers.sh", err)
		if os.Getenv(ForbidSkip) == "1" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	// The server runs as nobody if root starts it, so it needs a folder that
	// others may enter.
	dir, err := os.MkdirTemp("", "mailtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{dir: dir}
	for try := 1; ; try++ {
		err := s.start(t, path, c)
		if err == nil {
			return s
		}
		if try == 5 {
			t.Fatal(err)
		}
		t.Logf("try %d: %v", try, err)
	}
}

// find looks for the server where scripts/install-test-servers.sh puts it.
func find() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			path := filepath.Join(dir, ".tools", "bin", binary)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path, nil
			}
			return "", errors.New("there is no " + path)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the test")
		}
		dir = parent
	}
}

const configuration = `primary_hostname = mail.example.com
exim_path = EXIM
spool_directory = DIR/spool
log_file_path = DIR/log-%s
pid_file_path = DIR/pid
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
keep_environment = LD_PRELOAD : LD_LIBRARY_PATH : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
host_lookup =
smtp_accept_max = 50
TLS
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
begin acl
rcpt:
  deny message = no such mailbox
       local_parts = nobody
  accept
begin routers
all:
  driver = accept
  transport = folder
begin transports
folder:
  driver = appendfile
  directory = DIR/mail
  maildir_format
  envelope_to_add
  user = Debian-exim
begin authenticators
AUTH
`

func (s *Server) start(t testing.TB, path string, c *Certificate) error {
	// Between finding a free port and the server's taking it another process
	// may be faster; then the server ends, and Start tries again.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.Address = listener.Addr().String()
	listener.Close()

	secure, auth := "tls_advertise_hosts =", ""
	if c != nil {
		for name, data := range map[string][]byte{"cert.pem": c.PEM, "key.pem": c.key} {
			if err := os.WriteFile(filepath.Join(s.dir, name), data, 0o644); err != nil {
				return err
			}
		}
		secure = "tls_advertise_hosts = *\ntls_certificate = DIR/cert.pem\ntls_privatekey = DIR/key.pem"
		auth = "plain:\n  driver = plaintext\n  public_name = PLAIN\n  server_advertise_condition = ${if def:tls_in_cipher}\n" +
			"  server_condition = ${if and{{eq{$auth2}{" + Username + "}}{eq{$auth3}{" + Password + "}}}}\n"
	}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 65534, 65534 // exim refuses to be root
	}
	text := strings.NewReplacer("EXIM", path, "TLS", secure, "AUTH", auth).Replace(configuration)
	for name, data := range map[string]string{
		"exim.conf": strings.ReplaceAll(text, "DIR", s.dir),
		"passwd":    fmt.Sprintf("root:x:0:0::/:/bin/false\nDebian-exim:x:%d:%d::%s:/bin/false\n", uid, gid, s.dir),
		"group":     fmt.Sprintf("root:x:0:\nDebian-exim:x:%d:\n", gid),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(data), 0o644); err != nil {
			return err
		}
	}
	for _, name := range []string{"", "spool", "mail"} {
		folder := filepath.Join(s.dir, name)
		if err := errors.Join(os.MkdirAll(folder, 0o777), os.Chmod(folder, 0o777)); err != nil {
			return err
		}
	}
	// exim takes a configuration that only root or its user could have written.
	if err := os.Chmod(filepath.Join(s.dir, "exim.conf"), 0o644); err != nil {
		return err
	}
	var output bytes.Buffer
	cmd := exec.Command(path, "-C", filepath.Join(s.dir, "exim.conf"), "-bdf", "-oX", s.Address)
	cmd.Env = append(os.Environ(), "NSS_WRAPPER_PASSWD="+filepath.Join(s.dir, "passwd"), "NSS_WRAPPER_GROUP="+filepath.Join(s.dir, "group"))
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := func() {
		cmd.Process.Kill()
		<-ended
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", s.Address)
		if err == nil {
			conn.Close()
			t.Cleanup(stop)
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("exim ended: %v: %s", err, output.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			stop()
			return fmt.Errorf("exim does not answer: %s", output.String())
		}
	}
}

// A Mail is one that the server delivered.
type Mail struct {
	*mail.Message
	To  string // of the envelope
	Raw []byte
}

// Mails waits for so many mails, and returns those that are there.
func (s *Server) Mails(t testing.TB, want int) (mails []Mail) {
	t.Helper()
	var files []string
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if files, err = filepath.Glob(filepath.Join(s.dir, "mail", "new", "*")); err != nil {
			t.Fatal(err)
		}
		if len(files) >= want {
			break
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log-main"))
			t.Fatalf("%d mails, want %d:\n%s", len(files), want, log)
		}
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, Mail{m, m.Header.Get("Envelope-To"), raw})
	}
	return mails
}

// A Certificate is for 127.0.0.1, and its own authority.
type Certificate struct{ PEM, key []byte }

// NewCertificate makes one that is valid for a day.
func NewCertificate() (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mailtest"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	block := func(kind string, data []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}) }
	return &Certificate{block("CERTIFICATE", der), block("PRIVATE KEY", private)}, nil
}
