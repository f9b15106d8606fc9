package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// handedOn are the headers that each service passes to those it asks, so that a trace holds together and routes can
// depend on the user.
var handedOn = []string{
	"x-request-id", "x-ot-span-context", "x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority",
	"traceparent", "tracestate", "x-cloud-trace-context", "grpc-trace-bin", "x-b3-traceid", "x-b3-spanid",
	"x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "sw8", "user-agent", "cookie", "authorization", "jwt",
}

const endUser = "end-user"

func forwarded(incoming http.Header) http.Header {
	headers := http.Header{}
	for _, name := range handedOn {
		if value := incoming.Get(name); value != "" {
			headers.Set(name, value)
		}
	}
	return headers
}

// noPooling: each request is balanced on its own, so that shares can be seen.
var noPooling = &http.Transport{DisableKeepAlives: true}

// upstream is another service of Bookinfo's.
type upstream struct {
	name    string
	timeout time.Duration
}

// address is the service's URL, which the environment can change as upstream's can.
func (u upstream) address() string {
	variable := strings.ToUpper(u.name)
	domain := setting("SERVICES_DOMAIN", "")
	if domain != "" {
		domain = "." + domain
	}
	return fmt.Sprintf("http://%s%s:%s", setting(variable+"_HOSTNAME", u.name), domain, setting(variable+"_SERVICE_PORT", "9080"))
}

// ask gets one product's JSON; the status is 500 where there was no answer at all.
func (u upstream) ask(product string, headers http.Header, content any) (int, error) {
	request, err := http.NewRequest(http.MethodGet, u.address()+"/"+u.name+"/"+product, nil)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	request.Header = headers
	answer, err := (&http.Client{Transport: noPooling, Timeout: u.timeout}).Do(request)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	if answer.StatusCode != http.StatusOK {
		return answer.StatusCode, fmt.Errorf("%s answers %s", request.URL, answer.Status)
	}
	if err := json.Unmarshal(body, content); err != nil {
		return http.StatusInternalServerError, err
	}
	return answer.StatusCode, nil
}
