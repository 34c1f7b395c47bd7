// The training loop: batches, updates, evaluation, logging, checkpoints.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "training/hook.h"
#include "training/observer.h"
#include "training/optimizer/optimizer.h"
#include "training/optimizer/schedule.h"
#include "training/options.h"
#include "training/processes.h"
#include "training/run/evaluation/best_evaluation.h"
#include "training/run/evaluation/evaluation.h"
#include "training/run/output/event_file.h"
#include "training/run/output/folder.h"
#include "training/run/output/log_window.h"
#include "training/run/output/profile.h"
#include "training/step/engine.h"
#include "training/term.h"

namespace attune::training {

struct TrainerOptions {
  TrainingOptions training;
  EngineOptions engine;
  double learning_rate = 1e-6;  ///< the peak, resolved
  std::string metric = "loss";  ///< for save_best, early stopping and schedules that follow it
  Processes processes{};        ///< the processes that train together; the folder of one of them is written
  /// Writes the texts of a batch that stops the run; null: its ids only.
  const text::Tokenizer* tokenizer = nullptr;
};

class Trainer {
 public:
  Trainer(model::Model& model, FrozenModels frozen, std::vector<MethodTerm> terms, Hooks hooks,
          TrainerOptions options, RunFolder& folder, Observer observer);

  /// Trains to the end from wherever the run stands. @throws Error{kRun} on a loss that is not finite (the
  /// batch is saved), Error{kInterrupted} after the checkpoint that an interrupt asks for.
  void run();
  /// Continues from a checkpoint folder. @throws Error{kRequest} if it is damaged or of another run.
  void restore(const std::string& checkpoint);
  /// After restore(): what became of the length of the run and of its learning rate, in one line; "" where it
  /// is as long as it was.
  std::string extended() const;
  /// After run(): gives the model the weights that are the run's result (the best checkpoint's with
  /// save_best, else the last ones, averaged where the run averages) and samples from them. Nothing is
  /// trained afterwards.
  /// @return the update that they are from
  std::int64_t take_result();
  /// Updates made, in earlier parts of the run too.
  std::int64_t updates() const { return done_; }
  std::int64_t total_updates() const { return total_; }  ///< unless patience runs out before
  /// Evaluations of the whole run, the one before the first update left out. At least that many where epochs
  /// end between checkpoints.
  std::int64_t total_evaluations() const;

 private:
  struct Update {
    double loss = 0, grad_norm = 0, learning_rate = 0;
    std::int64_t tokens = 0;
  };
  /// The learning rate of a run of so many updates.
  std::unique_ptr<Schedule> schedule_over(std::int64_t total) const;
  Update update_once();
  /// Norm of all gradients; those of the layers go to the metrics.
  double measure_gradients();
  /// Stops at a loss that is no number, and keeps what it came from.
  void guard(const Update& update);
  /// What follows an update: evaluation, a line of metrics, a checkpoint.
  void conclude();
  /// Checkpoints fall between steps: those that are due within one are made at its end.
  bool between_steps() const;
  void evaluate_start();
  bool due(std::int64_t every, bool otherwise) const;
  bool has_eval() const;
  Evaluation evaluate();
  /// Writes an evaluation down prompt by prompt: the first, the best and the last one are kept.
  void keep(Evaluation evaluation);
  void interrupt();
  void log(const core::Json& evaluation);
  void write_row(const core::Json& row);
  void save_checkpoint();
  void prune();
  /// With save_best: the checkpoint with the best evaluation so far, "" without one.
  std::string best_checkpoint() const;
  void say(const std::string& line) const;
  core::Json state() const;
  void restore_state(const core::Json& state, const std::string& where);

  model::Model& model_;
  std::vector<MethodTerm> terms_;
  TrainerOptions options_;
  RunFolder& folder_;
  Observer observer_;
  Engine engine_;
  AdamW optimizer_;
  Hooks hooks_;
  Profile profile_;
  std::unique_ptr<Schedule> schedule_;
  std::unique_ptr<EventFile> events_;  ///< null where the folder is not written
  BestEvaluation judge_;
  LogWindow window_;
  std::int64_t total_ = 0, total_before_ = 0, done_ = 0, num_tokens_ = 0, computed_tokens_ = 0;
  // Since the program started, for the progress bar.
  std::int64_t session_tokens_ = 0;  ///< of this part of the run
  std::chrono::steady_clock::time_point saved_ = std::chrono::steady_clock::now();  ///< the last checkpoint
  /// An interrupt falls between an update and what follows it; that is made up for when the run goes on.
  bool owes_conclusion_ = false, epoch_ended_ = false;
  bool owes_checkpoint_ = false;  ///< due since an update within a step
};

}  // namespace attune::training
