package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// outcome is one line that `get` prints.
type outcome struct {
	Status  int         `json:"status"` // 0 where there was no answer
	Seconds float64     `json:"seconds"`
	Headers http.Header `json:"headers,omitempty"`
	Body    string      `json:"body,omitempty"`
	Error   string      `json:"error,omitempty"`
}

// get sends requests one after the other, each on a connection of its own, and prints one line of JSON for each.
func get(arguments []string) error {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	number := flags.Int("n", 1, "how many requests; 0: until -for is over")
	length := flags.Duration("for", 0, "for how long, with -n 0")
	interval := flags.Duration("every", 0, "from the begin of one request to that of the next")
	timeout := flags.Duration("timeout", 20*time.Second, "for one request")
	host := flags.String("host", "", "another Host header, and server name of TLS")
	brief := flags.Bool("brief", false, "leave out headers and body")
	headers := http.Header{}
	flags.Func("H", "a header, NAME=VALUE", func(given string) error {
		name, value, found := strings.Cut(given, "=")
		if !found {
			return fmt.Errorf("%q is not NAME=VALUE", given)
		}
		headers.Set(name, value)
		return nil
	})
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: bookinfo get [-n N] [-H NAME=VALUE] ... URL")
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		// Who the other side is, is for the caller to see, not to insist on.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: *host},
	}
	noRedirects := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client := &http.Client{Transport: transport, Timeout: *timeout, CheckRedirect: noRedirects}
	printer := json.NewEncoder(os.Stdout)
	printer.SetEscapeHTML(false)
	for began, sent := time.Now(), 0; sent < *number || (*number == 0 && time.Since(began) < *length); sent++ {
		next := time.Now().Add(*interval)
		result, err := once(client, flags.Arg(0), *host, headers)
		if err != nil {
			return err
		}
		if *brief {
			result.Headers, result.Body = nil, ""
		}
		if err := printer.Encode(result); err != nil {
			return err
		}
		time.Sleep(time.Until(next))
	}
	return nil
}

func once(client *http.Client, address, host string, headers http.Header) (outcome, error) {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return outcome{}, err
	}
	request.Header = headers
	request.Host = host
	began := time.Now()
	seconds := func() float64 { return float64(time.Since(began).Milliseconds()) / 1000 }
	answer, err := client.Do(request)
	if err != nil {
		return outcome{Seconds: seconds(), Error: err.Error()}, nil
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return outcome{Seconds: seconds(), Error: err.Error()}, nil
	}
	return outcome{Status: answer.StatusCode, Seconds: seconds(), Headers: answer.Header, Body: string(body)}, nil
}

// resolve prints the addresses of each name.
func resolve(names []string) error {
	for _, name := range names {
		addresses, err := net.LookupHost(name)
		if err != nil {
			return err
		}
		fmt.Println(name, strings.Join(addresses, " "))
	}
	return nil
}
