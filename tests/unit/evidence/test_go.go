// Verifies what our publisher and our evidence say, with other people's code: torchwood and Go's own tlog and note.
//
// It serves the log's folder to torchwood's client, which reads every entry and checks every tile; then it verifies
// each tlog-proof, and that each earlier checkpoint is consistent. It prints what it counted. test_go.py runs it.
package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(folder string) error {
	text, err := os.ReadFile(filepath.Join(folder, "policy"))
	if err != nil {
		return err
	}
	policy, err := torchwood.ParsePolicy(text)
	if err != nil {
		return err
	}
	entries, err := readAll(filepath.Join(folder, "log"), policy)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	proofs, err := filepath.Glob(filepath.Join(folder, "proofs", "*"))
	if err != nil {
		return err
	}
	proven, grown := 0, 0
	for _, one := range proofs {
		leaf, _ := os.ReadFile(filepath.Join(one, "leaf"))
		proof, _ := os.ReadFile(filepath.Join(one, "event.tlog-proof"))
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(leaf), proof); err != nil {
			return fmt.Errorf("%s: %w", one, err)
		}
		proven++
		if err := consistent(one, policy, proof); err != nil {
			return fmt.Errorf("%s: %w", one, err)
		}
		grown++
	}
	_, err = fmt.Println(entries, proven, grown)
	return err
}

// readAll reads every entry of a served log, each authenticated by the checkpoint.
func readAll(folder string, policy torchwood.Policy) (int64, error) {
	server := httptest.NewServer(http.FileServer(http.Dir(folder)))
	defer server.Close()
	signed, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return 0, err
	}
	checkpoint, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return 0, err
	}
	fetcher, err := torchwood.NewTileFetcher(server.URL)
	if err != nil {
		return 0, err
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		return 0, err
	}
	var count int64
	for index := range client.AllEntries(context.Background(), checkpoint.Tree, 0) {
		if index != count {
			return 0, fmt.Errorf("entry %d came where %d was due", index, count)
		}
		count++
	}
	if count != checkpoint.N {
		return 0, fmt.Errorf("%d entries of %d", count, checkpoint.N)
	}
	return count, client.Err()
}

// consistent checks that the proof's checkpoint continues the earlier one.
func consistent(folder string, policy torchwood.Policy, proof []byte) error {
	signed, err := os.ReadFile(filepath.Join(folder, "earlier.checkpoint"))
	if err != nil {
		return err
	}
	older, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return err
	}
	_, note, _ := strings.Cut(string(proof), "\n\n")
	newer, _, err := torchwood.VerifyCheckpoint([]byte(note), policy)
	if err != nil {
		return err
	}
	lines, err := os.ReadFile(filepath.Join(folder, "earlier.consistency"))
	if err != nil {
		return err
	}
	var path tlog.TreeProof
	for _, line := range strings.Fields(string(lines)) {
		node, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return err
		}
		path = append(path, tlog.Hash(node))
	}
	return tlog.CheckTree(path, newer.N, newer.Hash, older.N, older.Hash)
}
