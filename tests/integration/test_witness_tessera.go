// A log on Tessera's files that publishes a checkpoint only when the witnesses of its policy have cosigned it.
//
// It reads one entry a line, adds them one after the other, and waits for the checkpoint over each; then it prints
// the newest checkpoint. The tests in test_witness_peers.py build and run it.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	dir := flag.String("dir", "", "folder of the log")
	key := flag.String("key", "", "the log's signing key")
	policy := flag.String("policy", "", "file with the policy")
	flag.Parse()
	if err := run(*dir, *key, *policy); err != nil {
		log.Fatal(err)
	}
}

func run(dir, key, policy string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	signer, err := note.NewSigner(key)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(policy)
	if err != nil {
		return err
	}
	witnesses, err := tessera.NewWitnessGroupFromPolicy(text)
	if err != nil {
		return err
	}
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(100*time.Millisecond).
		WithBatching(1, 10*time.Millisecond).
		WithWitnesses(witnesses, &tessera.WitnessOptions{Timeout: 5 * time.Second})
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return err
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 20*time.Millisecond)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		entry := tessera.NewEntry([]byte(lines.Text()))
		if _, _, err := awaiter.Await(ctx, appender.Add(ctx, entry)); err != nil {
			return err
		}
	}
	if err := shutdown(ctx); err != nil {
		return err
	}
	newest, err := reader.ReadCheckpoint(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Print(string(newest))
	return err
}
