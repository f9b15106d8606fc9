// Command load sends requests over a number of kept connections, each as soon as the one before is answered, and prints
// one line of JSON: how many were answered with 200, how many were not, requests per second, and latencies in ms.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

type summary struct {
	Answered  int     `json:"answered"`
	Failed    int     `json:"failed"`
	PerSecond float64 `json:"perSecond"`
	Median    float64 `json:"median"`
	P99       float64 `json:"p99"`
}

func main() {
	connections := flag.Int("connections", 1, "how many at a time")
	length := flag.Duration("for", 5*time.Second, "for how long")
	flag.Parse()
	if flag.NArg() != 1 {
		// The pod's own program, which does nothing: the load is another's, started in it.
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		<-ended
		return
	}
	took, failed, seconds := load(flag.Arg(0), *connections, *length)
	result := summary{Answered: len(took), Failed: failed, PerSecond: float64(len(took)) / seconds}
	if len(took) > 0 {
		slices.Sort(took)
		result.Median = milliseconds(took[len(took)/2])
		result.P99 = milliseconds(took[len(took)*99/100])
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// load returns the times of requests that were answered with 200, the number of others, and the seconds of all.
func load(address string, connections int, length time.Duration) ([]time.Duration, int, float64) {
	client := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections},
		Timeout:   20 * time.Second,
	}
	var (
		all     []time.Duration
		failed  int
		lock    sync.Mutex
		running sync.WaitGroup
	)
	began := time.Now()
	for range connections {
		running.Go(func() {
			var took []time.Duration
			missed := 0
			for time.Since(began) < length {
				sent := time.Now()
				if answered(client, address) {
					took = append(took, time.Since(sent))
				} else {
					missed++
				}
			}
			lock.Lock()
			defer lock.Unlock()
			all, failed = append(all, took...), failed+missed
		})
	}
	running.Wait()
	return all, failed, time.Since(began).Seconds()
}

func answered(client *http.Client, address string) bool {
	answer, err := client.Get(address)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return false
	}
	return answer.StatusCode == http.StatusOK
}

func milliseconds(took time.Duration) float64 {
	return float64(took.Microseconds()) / 1000
}
